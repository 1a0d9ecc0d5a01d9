"""
From noise to data
==================

How does noise become a row of data? A denoiser tells at every noise level where the clean row is expected,
and a sampler moves the noisy row there, a little at each level. A `DiffusionDenoiser` that was fitted to
clean rows will do, and makes new ones. Beside it stands a denoiser that need not be trained.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import softmax
from sklearn.datasets import make_moons
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.preprocessing import StandardScaler

from skdiffusion import DiffusionDenoiser
from skdiffusion.plotting import SamplePathDisplay
from skdiffusion.samplers import heun

rows = StandardScaler().fit_transform(make_moons(1000, noise=0.05, random_state=0)[0])
denoiser = DiffusionDenoiser(hidden_layer_sizes=(64, 64), epochs=20, random_state=0).fit(rows)

# %%
# Two denoisers, the same noise
# -----------------------------
#
# `from_estimator` draws new rows with a fitted denoiser and shows their way. For any other denoiser the
# `callback` of a sampler keeps the path. Here it is the exact posterior mean of rows that are spread a
# little around those of the table: a weighted mean of all of them.


def denoise(x, sigma, width=0.1):
    variance = width**2 + sigma**2
    weights = softmax(-euclidean_distances(x, rows, squared=True) / (2 * variance), axis=1)
    return (width**2 * x + sigma**2 * weights @ rows) / variance


figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharex=True, sharey=True, layout="constrained")
learnt = SamplePathDisplay.from_estimator(denoiser, rows, n_rows=60, random_state=0, ax=axes[0])
path = [learnt.path[0]]
heun(denoise, path[0], learnt.sigmas, callback=lambda x, sigma: path.append(x))
exact = SamplePathDisplay.from_predictions(path, learnt.sigmas, X=rows, ax=axes[1])
axes[0].set_title("DiffusionDenoiser")
axes[1].set_title("exact")
plt.show()

# %%
# What the colours say
# --------------------
#
# Crosses are noise, points are what became of it. Rows are drawn shrunk by ``1 / sqrt(1 + sigma**2)``, so
# that all levels fit into one picture. At much noise a denoiser knows little more than the mean, and rows
# hardly turn. Around one standard deviation they decide for a half circle, and below a tenth nothing is
# left to be decided.
#
# About two fifths of the rows of the learnt denoiser stop beside the half circles or between them: trained
# for seconds, it does not know exactly where one ends and the other begins. The exact one hardly ever draws
# what is far from the table: its rows are those of the table, with a little spread.

for name, display in {"DiffusionDenoiser": learnt, "exact": exact}.items():
    distances = euclidean_distances(display.path[-1], rows).min(axis=1)
    print(f"{name}: {np.mean(distances < 0.15):.0%} of new rows are closer than 0.15 to one of the table")
