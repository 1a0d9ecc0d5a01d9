"""
Rows that I ask for
===================

Which incomes go with being 30 years old, with and without a university degree? A fitted generator answers by
drawing the missing cells of rows of which some are given. Here its draws are compared with other people who
are of about that age, many more than the generator saw.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skdiffusion import DiffusionGenerator
from skdiffusion.datasets import make_mixed_table

people = make_mixed_table(1500, random_state=0)
generator = DiffusionGenerator(hidden_layer_sizes=(128, 128), epochs=20, random_state=0).fit(people)

# %%
# Given cells, and holes to be drawn
# ----------------------------------
#
# `given` is a table like the training one. Cells that are there stay bit for bit, missing ones are drawn.
# With ``allow_missing=False`` what is drawn is never a hole, though one income in twelve is missing in the
# training table.

levels = people["education"].cat.categories
asked = people.head(1000).assign(age=30, employed=True)
asked[["income", "savings", "region", "job"]] = None
drawn = {}
for level in levels:
    asked["education"] = pd.Categorical([level] * len(asked), levels, ordered=True)
    drawn[level] = generator.sample(given=asked, allow_missing=False, random_state=0)

others = make_mixed_table(20_000, random_state=1)
near = others[others["age"].between(28, 32) & others["employed"]]
for level in levels:
    true = near.loc[near["education"] == level, "income"].dropna()
    income = drawn[level]["income"]
    print(f"{level:<11} {len(true):4d} people of 28 to 32 years: median income {true.median():7.0f}", end="")
    print(f"   drawn: {income.median():7.0f}")

# %%
# What else goes with it
# ----------------------
#
# Each row was drawn whole, so that other columns follow too. Jobs depend on education:

for level in levels:
    shares = drawn[level]["job"].value_counts(normalize=True)
    print(f"{level:<11}", ", ".join(f"{job} {share:.2f}" for job, share in shares.items()))

figure, axis = plt.subplots(figsize=(7, 3.5), layout="constrained")
bins = np.linspace(0, 120_000, 49)
for level, color in zip(levels, ("#0072B2", "#E69F00", "#009E73"), strict=True):
    true = near.loc[near["education"] == level, "income"].dropna()
    axis.hist(drawn[level]["income"], bins, density=True, histtype="step", color=color, label=level, lw=1.8)
    axis.hist(true, bins, density=True, alpha=0.25, color=color)
axis.set(xlabel="income of people of 30 years", ylabel="density", yticks=[])
axis.legend(title="lines: drawn; areas: true")
plt.show()
