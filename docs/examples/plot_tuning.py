"""
How do I tune a denoiser in a Pipeline?
=======================================

The noiser and the denoiser stand in one Pipeline, and `GridSearchCV` tries values of either. Here it tries
the penalty on the weights, `l2`, for the default network, which starts from a linear filter, and for a plain
one.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler

from skdiffusion import DenoisingRegressor, DiffusionNoiser

train, test = train_test_split(load_digits().data, test_size=500, random_state=0)
scaler = MinMaxScaler(clip=True).fit(train)
train, test = scaler.transform(train), scaler.transform(test)
noisy_test = DiffusionNoiser(0.1, 25, random_state=1).fit_transform(test)  # 0.1 * sqrt(25) = 0.5

# %%
# The Pipeline
# ------------
#
# With ``fit_only=False``, the default, noise is made whenever rows pass: a candidate learns from noised rows
# and is scored on noised rows. The noiser takes a `RandomState` here. Copies of it are drawn on, so that
# training and held-out rows get noise of their own; an int would give both the same draws.

noiser = DiffusionNoiser(noise_level=0.1, n_steps=25, random_state=np.random.RandomState(0))
denoiser = DenoisingRegressor(hidden_layer_sizes=(128,), epochs=20, random_state=0)
pipeline = Pipeline([("noise", noiser), ("denoise", denoiser)])
pipeline

# %%
# The search
# ----------
#
# Candidates of one architecture share the compiled code. Afterwards ``fit_only=True`` turns the noise off for
# `predict`: rows to come are noisy already.

l2 = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1]
grid = {"denoise__l2": l2, "denoise__preconditioning": ["linear", None]}
search = GridSearchCV(pipeline, grid, cv=2, scoring="neg_mean_squared_error").fit(train, train)
best = search.best_estimator_.set_params(noise__fit_only=True)
default = pipeline.set_params(noise__fit_only=True).fit(train, train)
print("best:", search.best_params_)
print("mean squared error of new rows")
for name, rows in {
    "noisy": noisy_test,
    "defaults": default.predict(noisy_test),
    "best of the search": best.predict(noisy_test),
}.items():
    print(f"   {name:<20}{np.mean((rows - test) ** 2):.4f}")

# %%
# What the search saw
# -------------------
#
# The default network hardly minds: a strong penalty leaves its linear filter. To the plain network the same
# penalty does harm, since all that it knows is in the weights.

errors = -search.cv_results_["mean_test_score"].reshape(len(l2), 2)  # in the order of the grid
figure, axis = plt.subplots(figsize=(6, 3.4), layout="constrained")
axis.plot(l2, errors[:, 0], "o-", color="#0072B2", label="starts from a linear filter")
axis.plot(l2, errors[:, 1], "o-", color="#D55E00", label="plain network")
axis.set(xscale="log", xlabel="l2", ylabel="mean squared error of held-out folds", ylim=(0, None))
axis.legend()
plt.show()
