"""
How sure is an estimate when cells are missing?
===============================================

What is the mean income, when a third of the incomes is missing, and most often those of people with a degree?
A table that is filled once pretends to know them. Several tables of draws show how uncertain they are, and
Rubin's rules add that to the interval.
"""

import matplotlib.pyplot as plt
import numpy as np

from skdiffusion import DiffusionGenerator, DiffusionImputer
from skdiffusion.datasets import make_mixed_table

columns = ["age", "income", "education", "employed"]
people = make_mixed_table(1500, random_state=0)[columns].dropna().reset_index(drop=True)
people["income"] /= 1000
share = np.where(people["education"] == "university", 0.7, 0.25)  # the reason lies in a known column
hidden = np.random.default_rng(0).random(len(people)) < share
with_holes = people.assign(income=people["income"].mask(hidden))
print(f"{hidden.mean():.0%} of {len(people)} incomes are hidden")

# %%
# An estimate, and its variance
# -----------------------------
#
# The estimate is the mean income of a table. With `m` tables of draws it is the mean of their estimates. Its
# variance, by Rubin's rules, is the mean variance within a table, and ``1 + 1 / m`` times that between
# tables.


def mean_income(table):
    """Return the mean income and its variance."""
    return table["income"].mean(), table["income"].var() / table["income"].count()


generator = DiffusionGenerator(hidden_layer_sizes=(64,), epochs=40, early_stopping=False, random_state=0)
imputer = DiffusionImputer(generator=generator, random_state=0).fit(with_holes)
tables = imputer.sample(with_holes, n_imputations=20)
means, variances = np.transpose([mean_income(table) for table in tables])
found = {
    "all rows, nothing hidden": mean_income(people),
    "rows that have an income": mean_income(with_holes),
    "filled once by means": mean_income(imputer.transform(with_holes)),
    "20 tables of draws": (means.mean(), variances.mean() + (1 + 1 / len(tables)) * means.var(ddof=1)),
}

# %%
# What came out
# -------------
#
# Who has an income on record earns less than the rest, so that the rows left over mislead. Both ways to fill
# the holes close two thirds of the gap. But with means the interval is shorter than that of the whole table,
# as if more were known; with draws it is longer.

print(f"{'mean income, thousands':<28} estimate   95 % interval")
for name, (mean, variance) in found.items():
    low, high = mean - 1.96 * variance**0.5, mean + 1.96 * variance**0.5
    print(f"{name:<28} {mean:8.2f}   {low:.2f} to {high:.2f}")
missing_share = (1 + 1 / len(tables)) * means.var(ddof=1) / found["20 tables of draws"][1]
print(f"share of the variance that comes from the holes: {missing_share:.0%}")

figure, axis = plt.subplots(figsize=(7, 2.6), layout="constrained")
for place, (mean, variance) in enumerate(reversed(found.values())):
    axis.errorbar(mean, place, xerr=1.96 * variance**0.5, fmt="o", color="#0072B2", capsize=4)
axis.plot(means, np.full(len(means), -0.25), "|", color="#D55E00", label="each table of draws")
axis.axvline(found["all rows, nothing hidden"][0], color="0.7", lw=1, zorder=0)
axis.set_yticks(range(len(found)), reversed(found))
axis.set(xlabel="mean income, thousands, with a 95 % interval")
axis.legend(loc="upper left")
plt.show()
