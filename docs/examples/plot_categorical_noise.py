"""
What is noise for a category?
=============================

A category cannot take Gaussian noise. `DiffusionNoiser` keeps it with a probability that falls from step to
step, or else draws it anew by the frequencies of the table. What does that do to the frequencies, and to what
the category had to do with other columns?
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skdiffusion import DiffusionNoiser
from skdiffusion.datasets import make_mixed_table
from skdiffusion.schedules import Cosine

people = make_mixed_table(5000, random_state=0)[["age", "income", "education"]].dropna()
numbers = ["age", "income"]
people[numbers] = (people[numbers] - people[numbers].mean()) / people[numbers].std()

# %%
# One table at several steps
# --------------------------
#
# Numbers and categories go through the same levels `sigma`: a number keeps ``1 / (1 + sigma**2)`` of its
# variance, a category stays with that probability.

schedule = Cosine(100)
noiser = DiffusionNoiser(schedule=schedule, categorical_features="from_dtype", random_state=0).fit(people)
steps = range(0, 101, 10)
frequencies, same, gap = [], [], []
for step in steps:
    noised = noiser.set_params(step=step).transform(people)
    frequencies.append(noised["education"].value_counts(normalize=True, sort=False))
    same.append(np.mean(noised["education"] == people["education"]))
    income = people["income"].groupby(noised["education"], observed=True).mean()
    gap.append(income["university"] - income["school"])
frequencies = pd.DataFrame(frequencies, index=list(steps))

# %%
# What came out
# -------------
#
# Frequencies stay as they are, while the category forgets what it had to do with income. A category that is
# drawn anew may be the same as before, so that more cells look untouched than were kept.

keeps = 1 / (1 + schedule.sigma(list(steps)) ** 2)
chance = (frequencies.loc[0] ** 2).sum()
table = frequencies.assign(kept=keeps, same=same, expected=keeps + (1 - keeps) * chance, gap=gap)
print(table.rename_axis("step").round(3).to_string())

figure, axes = plt.subplots(1, 3, figsize=(9.5, 2.9), layout="constrained")
axes[0].stackplot(steps, frequencies.T, labels=frequencies.columns, colors=["#0072B2", "#56B4E9", "#E69F00"])
axes[0].set(title="frequencies", ylabel="share", xlabel="step")
axes[0].legend(loc="lower left")
axes[1].plot(steps, table["expected"], color="0.6", label="expected")
axes[1].plot(steps, same, "o", color="#0072B2", ms=4, label="same as before")
axes[1].plot(steps, keeps, "--", color="#0072B2", lw=1, label="not drawn anew")
axes[1].set(title="cells", ylim=(0, 1.05), xlabel="step")
axes[1].legend(loc="upper right")
axes[2].axhline(0, color="0.6", lw=1)
axes[2].plot(steps, gap, "o-", color="#0072B2", ms=4)
axes[2].set(title="income, university less school", ylabel="standard deviations", xlabel="step")
plt.show()
