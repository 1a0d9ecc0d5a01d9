"""
The tutorial's program, then and now
====================================

A short tutorial introduces diffusion on a table in five steps: scale to [0, 1], diffuse with a hundred steps
of Gaussian noise, train a small dense network to give back the clean rows, stabilise it with an L2 term and
an adaptive learning rate, and denoise step by step. Here is each step with this package's estimators, on
scikit-learn's digits, with what comes out of it.
"""

# %%
# Scale
# -----

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MinMaxScaler

from skdiffusion import DenoisingRegressor, DiffusionNoiser

train, test = train_test_split(load_digits().data, test_size=0.25, random_state=0)
scaler = MinMaxScaler().fit(train)
train, test = scaler.transform(train), scaler.transform(test).clip(0, 1)

# %%
# Diffuse
# -------
#
# The tutorial adds noise in a loop. A sum of a hundred independent draws is one draw of ten times the
# standard deviation, which is what the noiser makes.


def tutorial_diffuse(x, noise_level=0.1, steps=100, rng=None):
    for _ in range(steps):
        x = x + rng.normal(0, noise_level, x.shape)
    return x


looped = tutorial_diffuse(train, rng=np.random.default_rng(0))
noiser = DiffusionNoiser(noise_level=0.1, n_steps=100, random_state=0).fit(train)
noisy_train = noiser.transform(train)
noisy_test = noiser.set_params(random_state=1).transform(test)
print(f"standard deviation of the noise: loop {np.std(looped - train):.3f}, ", end="")
print(f"noiser {np.std(noisy_train - train):.3f}")

# %%
# Learn to denoise, with and without L2
# -------------------------------------
#
# The network is the tutorial's: 128 units, a sigmoid, Adam and the mean squared error, 50 epochs of batches
# of 32, and `l2` = 0.01 on the kernels. The learning rate is adaptive: halved when the loss stands still.

tutorial = {
    "hidden_layer_sizes": (128,),
    "output_activation": "sigmoid",
    "epochs": 50,
    "batch_size": 32,
    "learning_rate_schedule": "plateau",
    "random_state": 0,
}
with_l2 = DenoisingRegressor(**tutorial, l2=0.01).fit(noisy_train, train)
without_l2 = DenoisingRegressor(**tutorial, l2=0.0).fit(noisy_train, train)
constant = DenoisingRegressor(**tutorial, l2=0.0).set_params(learning_rate_schedule="constant")
constant.fit(noisy_train, train)
rates = {"with L2": with_l2, "without L2": without_l2}
for name, denoiser in rates.items():
    print(f"learning rate, {name}: {denoiser.history_['learning_rate'][0]:g} at first", end="")
    print(f", {denoiser.history_['learning_rate'][-1]:.2g} at last")


def error(rows, clean=test):
    """Mean squared error of held-out rows."""
    return float(np.mean((rows - clean) ** 2))


def report(title, rows):
    """Print one line of results."""
    print(f"{title:<48} {error(rows):.4f}")


print(f"Held-out error, noise of 0.1 x sqrt(100) = {0.1 * np.sqrt(100):g} on data in [0, 1]:")
report("noisy rows", noisy_test)
report("mean of each column", np.broadcast_to(train.mean(axis=0), test.shape))
report("tutorial's network, l2=0.01", with_l2.predict(noisy_test))
report("tutorial's network, no L2", without_l2.predict(noisy_test))
report("tutorial's network, no L2, constant rate", constant.predict(noisy_test))
report("default network", DenoisingRegressor(random_state=0).fit(noisy_train, train).predict(noisy_test))

# %%
# The loss falls slowly but never stands still, so that the adaptive rate stays where it was. The noise is as
# wide as the data, and little can be recovered: the networks are only a little better than the mean of each
# column, which knows nothing of the row. An `l2` of 0.01 is so strong that what it leaves
# is about the mean; without it, the network learns its training rows by heart. A value between does best:

for l2 in (1e-2, 1e-3, 1e-4, 1e-5, 0.0):
    denoiser = DenoisingRegressor(**tutorial, l2=l2).fit(noisy_train, train)
    report(f"tutorial's network, l2={l2:g}", denoiser.predict(noisy_test))

# %%
# Denoise step by step
# --------------------
#
# ``x_{t-1} = D(x_t)``: the network's output is its next input. From noised rows the first step does the work.
# The later ones leave the level of noise that the network was trained for and drift to a typical row.

denoiser = DenoisingRegressor(**tutorial, l2=1e-4).fit(noisy_train, train)
for n_steps in (1, 2, 5, 20):
    report(f"{n_steps} step{'s' * (n_steps > 1)} from noised rows", denoiser.denoise(noisy_test, n_steps))

# %%
# From pure noise it ends in a few attractors, not in digits: a network trained at one noise level is no
# generator.

pure_noise = np.random.default_rng(2).normal(0.5, 1.0, test.shape)
dreamt = denoiser.denoise(pure_noise, n_steps=20)
print(f"spread of pixels over rows: digits {test.std(axis=0).mean():.3f}, ", end="")
print(f"after 20 steps from pure noise {dreamt.std(axis=0).mean():.3f}")

# %%
# A sensible noise level
# ----------------------
#
# With 25 steps of 0.05 the noise is 0.25 of the range, and most of each digit comes back.

noiser = DiffusionNoiser(noise_level=0.05, n_steps=25, random_state=0).fit(train)
mild_train = noiser.transform(train)
mild_test = noiser.set_params(random_state=1).transform(test)
mild = DenoisingRegressor(**tutorial, l2=1e-5).fit(mild_train, train)
default = DenoisingRegressor(random_state=0).fit(mild_train, train)
print("Held-out error, noise of 0.05 x sqrt(25) = 0.25:")
report("noisy rows", mild_test)
report("tutorial's network, l2=1e-5", mild.predict(mild_test))
report("default network", default.predict(mild_test))

# %%
# The pictures
# ------------

rows = {
    "clean": test,
    "noise 1.0": noisy_test,
    "denoised": denoiser.predict(noisy_test),
    "from noise": dreamt,
    "noise 0.25": mild_test,
    "denoised ": default.predict(mild_test),
}
figure, axes = plt.subplots(len(rows), 10, figsize=(8, 5.2), layout="constrained")
for row, (name, images) in zip(axes, rows.items(), strict=True):
    for axis, image in zip(row, images, strict=False):
        axis.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[])
    row[0].set_ylabel(name)
plt.show()
