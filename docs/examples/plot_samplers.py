"""
How many steps does a sampler need?
===================================

A sampler goes from noise to rows, and asks the denoiser once or twice in each move. Here the denoiser is
known exactly, so that nothing is trained, and what is wrong at the end is the sampler's fault alone.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import softmax
from sklearn.datasets import make_moons
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.preprocessing import StandardScaler

from skdiffusion.samplers import euler, heun, multistep
from skdiffusion.schedules import Karras

rows = StandardScaler().fit_transform(make_moons(200, noise=0.05, random_state=0)[0])


def denoise(x, sigma, width=0.1):
    """Return the posterior mean, where data are spread by `width` around each row."""
    variance = width**2 + sigma**2
    weights = softmax(-euclidean_distances(x, rows, squared=True) / (2 * variance), axis=1)
    return (width**2 * x + sigma**2 * weights @ rows) / variance


# %%
# The same noise for all
# ----------------------
#
# These samplers draw nothing: equal noise should give equal rows. Many small moves tell which ones.

noise = Karras().sigma_max * np.random.default_rng(0).standard_normal((300, 2))
truth = heun(denoise, noise, Karras().grid(300))
n_calls = np.array([8, 12, 18, 26, 36, 52, 72])
found = {}
for sampler, calls_a_move in ((euler, 1), (heun, 2), (multistep, 1)):
    for n in n_calls:
        found[sampler.__name__, n] = sampler(denoise, noise, Karras().grid(n // calls_a_move))
errors = {key: np.sqrt(np.mean((x - truth) ** 2)) for key, x in found.items()}

print(f"{'calls of the denoiser':<22}", "".join(f"{n:8d}" for n in n_calls))
names = ("euler", "heun", "multistep")
for name in names:
    print(f"{name:<22}", "".join(f"{errors[name, n]:8.3f}" for n in n_calls))

# %%
# What one sees
# -------------
#
# `multistep` is the most accurate here at any number of calls. `heun` overshoots when its moves are large,
# and is better than `euler` from about 20 calls on.

figure, axes = plt.subplots(1, 4, figsize=(10, 2.9), layout="constrained")
colors = dict(zip(names, ("#D55E00", "#0072B2", "#009E73"), strict=True))
for name in names:
    axes[0].plot(n_calls, [errors[name, n] for n in n_calls], "o-", ms=4, color=colors[name], label=name)
axes[0].set(xscale="log", yscale="log", xlabel="calls of the denoiser", ylabel="error, standard deviations")
axes[0].set_xticks(n_calls[::2], n_calls[::2])
axes[0].minorticks_off()
axes[0].legend()
for axis, name in zip(axes[1:], names, strict=True):
    axis.plot(*truth.T, ".", ms=4, color="0.8")
    axis.plot(*found[name, 12].T, ".", ms=2, color=colors[name])
    axis.set(title=f"{name}, 12 calls", xlim=(-2.2, 2.2), ylim=(-2.4, 2.4), xticks=[], yticks=[])
plt.show()
