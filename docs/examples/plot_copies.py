"""
Are generated rows copies?
==========================

Five tables beside the same 300 people: people drawn with replacement, people with a little noise, rows of a
generator that learnt far too much, rows of one that stopped in time, and fresh people. Which of them give the
300 away, and which figure tells?
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import QuantileTransformer

from skdiffusion import DiffusionGenerator
from skdiffusion.datasets import make_mixed_table
from skdiffusion.metrics import closest_record_share, copy_ratio, exact_copy_share, shape_error

columns = ["age", "income", "savings"]
holdout, fresh = (make_mixed_table(3000, random_state=seed)[columns].dropna() for seed in (1, 2))
train = make_mixed_table(400, random_state=0)[columns].dropna().head(300)
rng = np.random.default_rng(0)
network = {"hidden_layer_sizes": (64,), "dropout": 0.0, "random_state": 0}
greedy = DiffusionGenerator(**network, l2=0.0, early_stopping=False, epochs=200).fit(train)
usual = DiffusionGenerator(**network, epochs=20).fit(train)
tables = {
    "with replacement": train.sample(2000, replace=True, random_state=0),
    "1 % of noise": pd.concat([train] * 6) * rng.normal(1, 0.01, (1800, 3)),
    "greedy": greedy.sample(2000, random_state=0),
    "usual": usual.sample(2000, random_state=0),
    "fresh": fresh,
}

# %%
# Figures
# -------
#
# `copy_ratio` counts the rows that come as close to a training row as only the closest 5 % of fresh ones do:
# 1 is what fresh rows get, 20 what copies get. A little noise hides copies from `exact_copy_share`, and from
# nothing else.

print(f"{'':<18}copy ratio   closest to training   exact copies   shape error")
for name, table in tables.items():
    ratio = copy_ratio(train, table, holdout, random_state=0)
    share = closest_record_share(train, table, holdout, random_state=0)
    copies, error = exact_copy_share(train, table), shape_error(train, table)
    print(f"{name:<18}{ratio:10.2f} {share:21.2f} {copies:14.0%} {error:13.3f}")

# %%
# A generator tells it of itself: rows that it has learnt by heart are far likelier to it than others.

for name, generator in {"greedy": greedy, "usual": usual}.items():
    print(f"{name}: log-likelihood of training rows {generator.score(train):.2f}", end="")
    print(f", of others {generator.score(holdout):.2f}")

# %%
# Distances to the closest training row
# -------------------------------------
#
# Rows of the usual generator keep about the distance of fresh people, save for the closest few. 300 training
# rows are not many: the greedy one is closer throughout. None of this is a proof of privacy.

scaler = QuantileTransformer(n_quantiles=300).fit(train)
neighbors = NearestNeighbors(n_neighbors=1).fit(scaler.transform(train))
figure, axis = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
for (name, table), color in zip(
    tables.items(), ("black", "#E69F00", "#D55E00", "#0072B2", "#009E73"), strict=True
):
    distance = np.sort(neighbors.kneighbors(scaler.transform(table))[0][:, 0])
    axis.step(distance, np.linspace(0, 1, len(distance)), color=color, label=name)
axis.set(xlim=(-0.002, 0.12), xlabel="distance to the closest training row, in ranks", ylabel="share of rows")
axis.legend()
plt.show()
