"""
How do schedules carry rows into noise?
=======================================

A random walk adds as much noise in each step, and its spread grows without end. The linear and the cosine
schedule shrink the rows while they add noise, so that a column of unit variance keeps it. Lines are rows of
the diabetes table, bands what theory gives.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import StandardScaler

from skdiffusion import DiffusionNoiser
from skdiffusion.plotting import NoisePathDisplay

X = load_diabetes(as_frame=True, scaled=False).data
X = StandardScaler().set_output(transform="pandas").fit_transform(X)

figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), sharey=True, layout="constrained")
for ax, schedule in zip(axes, ("random_walk", "linear", "cosine"), strict=True):
    noiser = DiffusionNoiser(noise_level=0.2, n_steps=100, schedule=schedule, random_state=0).fit(X)
    display = NoisePathDisplay.from_estimator(noiser, X, feature="bmi", ax=ax)
    ax.set_title(schedule)
    print(f"{schedule:<12} standard deviation at the end: {display.std[-1]:.2f}")
plt.show()
