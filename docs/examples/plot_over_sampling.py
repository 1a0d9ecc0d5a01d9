"""
What do new rows of a rare class look like?
===========================================

Sixty fraudulent payments among 1500 usual ones are filled up by copies, by SMOTE for mixed tables, and by the
diffusion over-sampler. Copies add nothing. SMOTE draws lines between neighbours. Do its rows, and ours, still
look like payments, and does a classifier gain from them?
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from imblearn.over_sampling import SMOTENC, RandomOverSampler
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, balanced_accuracy_score

from skdiffusion import DiffusionOverSampler


def draw(n_usual, n_rare, seed):
    """Draw payments: whole hours, amounts to the cent, and a distance that is 0 for what is bought online."""
    rng = np.random.default_rng(seed)
    is_rare = np.repeat([False, True], [n_usual, n_rare])
    hour = np.where(is_rare, rng.normal(2, 3, len(is_rare)), rng.normal(14, 4, len(is_rare))).round() % 24
    goods = np.where(
        is_rare,
        rng.choice(["food", "clothes", "electronics"], len(is_rare), p=[0.1, 0.2, 0.7]),
        rng.choice(["food", "clothes", "electronics"], len(is_rare), p=[0.6, 0.3, 0.1]),
    )
    online = rng.random(len(is_rare)) < np.where(goods == "food", 0.1, 0.6)
    scale = pd.Series(goods).map({"food": 3.0, "clothes": 4.0, "electronics": 5.5}).to_numpy()
    table = pd.DataFrame(
        {
            "hour": hour.astype(int),
            "goods": pd.Categorical(goods),
            "online": online,
            "distance": np.where(online, 0.0, rng.gamma(2.0, 5.0 + 20 * is_rare).round(1) + 0.1),
            "amount": np.exp(rng.normal(scale, 0.6)).round(2),
        }
    )
    return table, is_rare.astype(int)


X, y = draw(1500, 60, seed=0)
X_test, y_test = draw(15_000, 600, seed=1)

# %%
# Three samplers
# --------------

samplers = {
    "copies": RandomOverSampler(random_state=0),
    "SMOTENC": SMOTENC(["goods", "online"], random_state=0),
    "diffusion": DiffusionOverSampler(random_state=0),
}
tables = {"as it is": (X, y)} | {name: sampler.fit_resample(X, y) for name, sampler in samplers.items()}

# %%
# What came out
# -------------
#
# A payment is impossible here if it was made online at a distance, or in a shop at none. Average precision
# tells how well a classifier ranks new payments, balanced accuracy how well it decides at a probability of
# one half. Balancing mends decisions; it rarely mends ranks.

print(f"{'':<10} impossible new rows   average precision   balanced accuracy")
for name, (rows, labels) in tables.items():
    model = HistGradientBoostingClassifier(categorical_features="from_dtype", max_iter=50, random_state=0)
    model.fit(rows, labels)
    precision = average_precision_score(y_test, model.predict_proba(X_test)[:, 1])
    accuracy = balanced_accuracy_score(y_test, model.predict(X_test))
    new = rows.iloc[len(X) :]
    impossible = np.mean(new["online"].astype(bool) == (new["distance"] > 0)) if len(new) else 0
    print(f"{name:<10} {impossible:19.0%} {precision:19.3f} {accuracy:19.3f}")

figure, axes = plt.subplots(1, 4, figsize=(9, 2.9), layout="constrained", sharex=True, sharey=True)
for axis, (name, (rows, labels)) in zip(axes, tables.items(), strict=True):
    for label, color in ((0, "0.75"), (1, "#D55E00")):
        chosen = rows[labels == label]
        axis.plot(chosen["distance"], chosen["amount"], ".", ms=3, color=color)
    axis.set(
        title=f"{name}: {np.sum(labels == 1)} frauds", yscale="log", xscale="symlog", xlabel="distance, km"
    )
axes[0].set(ylabel="amount")
plt.show()
