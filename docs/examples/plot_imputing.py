"""
Means or draws for missing cells?
=================================

A mean is the best single guess for a missing number. A table filled with means, though, looks more regular
than it is. Here a third of the incomes of a table is taken out, filled with means and with draws, and
compared with the truth.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.impute import SimpleImputer

from skdiffusion import DiffusionGenerator, DiffusionImputer
from skdiffusion.datasets import make_mixed_table
from skdiffusion.plotting import ImputationDisplay

people = make_mixed_table(1000, random_state=0).dropna(subset=["income"]).reset_index(drop=True)
hidden = np.random.default_rng(0).random(len(people)) < 1 / 3
true = people.loc[hidden, "income"].to_numpy()
with_holes = people.assign(income=people["income"].mask(hidden))

# %%
# Fill
# ----
#
# The same fitted imputer gives means, or draws with ``sample_posterior=True``. `sample` gives several tables
# of draws, for multiple imputation.

generator = DiffusionGenerator(hidden_layer_sizes=(64,), epochs=20, random_state=0)
imputer = DiffusionImputer(generator=generator, random_state=0).fit(with_holes)
means = imputer.transform(with_holes).loc[hidden, "income"].to_numpy()
tables = imputer.sample(with_holes, n_imputations=25)
draws = np.array([table.loc[hidden, "income"] for table in tables])
medians = SimpleImputer(strategy="median").fit_transform(with_holes[["income"]])[hidden, 0]

# %%
# What came out
# -------------
#
# Means have the smallest error. Their spread is much too small. That of a draw is nearer to the truth, and
# here somewhat too large.

print(f"{'':<22} root mean squared error   standard deviation")
print(f"{'truth':<22} {0:23.0f} {true.std():20.0f}")
for name, values in {"median": medians, "imputer's means": means, "one draw": draws[0]}.items():
    error = np.sqrt(np.mean((values - true) ** 2))
    print(f"{name:<22} {error:23.0f} {values.std():20.0f}")

# %%
# A histogram shows the same: means leave out the low and the high incomes. On the right `ImputationDisplay`
# draws single cells. The intervals of 90 % hold the truth about nine times in ten.

figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
bins = np.linspace(0, 120_000, 41)
axes[0].hist(true, bins, color="0.8", label="truth")
axes[0].hist(means, bins, histtype="step", color="#D55E00", lw=1.8, label="means")
axes[0].hist(draws[0], bins, histtype="step", color="#0072B2", lw=1.8, label="one draw")
axes[0].set(xlabel="income", ylabel="cells")
axes[0].locator_params(axis="x", nbins=4)
axes[0].legend()
ImputationDisplay.from_predictions(with_holes, people, tables, features=["income"], axes=axes[1])
plt.show()
