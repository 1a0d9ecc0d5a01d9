"""
One model for all noise levels
==============================

How much of a table's noise can be taken off, when the level is not known before? One denoiser is fitted to
clean rows, and cleans rows of three levels. Ridge regressions are trained for each level, from pairs of noisy
and clean rows.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons
from sklearn.linear_model import RidgeCV

from skdiffusion import DiffusionDenoiser


def draw(n_rows, seed):
    """Draw rows on two half circles, with a third column that follows from the angle."""
    rows, half = make_moons(n_rows, noise=0.02, random_state=seed)
    return np.column_stack([rows, rows[:, 0] * rows[:, 1] + half])


clean, test = draw(1000, 0), draw(1000, 1)
denoiser = DiffusionDenoiser(hidden_layer_sizes=(64, 64), epochs=60, random_state=0).fit(clean)

# %%
# Clean
# -----
#
# The level is a parameter that may be changed on the fitted denoiser. "auto" estimates it from the rows.

rng = np.random.default_rng(2)
levels = (0.1, 0.3, 0.6)
noisy, cleaned = {}, {}
print("mean squared error     noisy     ridge   denoiser   level estimated")
for level in levels:
    noisy[level] = test + level * rng.normal(size=test.shape)
    ridge = RidgeCV(np.logspace(-3, 3, 13)).fit(clean + level * rng.normal(size=clean.shape), clean)
    cleaned[level] = denoiser.set_params(sigma=level).transform(noisy[level])
    estimated = denoiser.set_params(sigma="auto").transform(noisy[level])
    errors = [np.mean((rows - test) ** 2) for rows in (noisy[level], ridge.predict(noisy[level]))]
    errors += [np.mean((rows - test) ** 2) for rows in (cleaned[level], estimated)]
    print(f"noise of {level:<12g}", "".join(f"{error:10.4f}" for error in errors))

# %%
# A ridge regression can only shrink and turn. The denoiser knows where rows lie: little noise is taken off
# across the half circles, and at much noise it gives means of what is possible, between them.

figure, axes = plt.subplots(2, len(levels), figsize=(8, 4.6), layout="constrained", sharex=True, sharey=True)
for column, level in zip(axes.T, levels, strict=True):
    for axis, rows, name in zip(column, (noisy[level], cleaned[level]), ("noisy", "denoised"), strict=True):
        axis.plot(test[:, 0], test[:, 1], ".", ms=1, color="0.8")
        axis.plot(rows[:, 0], rows[:, 1], ".", ms=2, color="#0072B2")
        axis.set(xlim=(-2, 3), ylim=(-1.5, 2), title=f"{name}, {level:g}")
plt.show()
