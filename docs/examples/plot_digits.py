"""
Digits by class, and the rest of digits
=======================================

What does a seven look like, and what is the lower half of a digit whose upper half I have? A generator with
a small convolutional network is fitted to scikit-learn's digits of 8 x 8 pixels and their classes. It is
trained for some seconds here; a few minutes make it better.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from skdiffusion import DiffusionGenerator

X, y = load_digits(return_X_y=True)
train, test, train_labels, labels = train_test_split(X, y, test_size=200, stratify=y, random_state=0)
generator = DiffusionGenerator(
    process="gaussian",
    image_shape=(8, 8),
    hidden_layer_sizes=(24,),  # one resolution; the default has two
    epochs=7,
    learning_rate=5e-3,
    early_stopping=False,
    sampler="multistep",
    n_sampling_steps=15,
    random_state=0,
).fit(train, train_labels)

# %%
# By class
# --------
#
# `y` asks for a class, and `guidance` says how much further towards it each step goes than it should. A
# classifier that was trained on real digits tells how many are of the class that was asked for.

judge = SVC(gamma=0.001, C=10).fit(train, train_labels)
print(f"held-out digits: the classifier is right on {judge.score(test, labels):.1%}")
asked = np.repeat(np.arange(10), 25)
drawn = {}
for guidance in (0.0, 1.0):
    drawn[guidance], _ = generator.set_params(guidance=guidance).sample(y=asked, random_state=0)
    print(f"guidance {guidance}: {judge.score(drawn[guidance], asked):.1%} are of the class asked for")


def side_by_side(images, n_columns):
    """Lay images out in rows, with a margin around each."""
    images = np.pad(images.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    return images.reshape(-1, n_columns, 10, 10).transpose(0, 2, 1, 3).reshape(-1, 10 * n_columns)


figure, axes = plt.subplots(2, 1, figsize=(7, 6.2), layout="constrained")
for axis, (guidance, images) in zip(axes, drawn.items(), strict=True):
    axis.imshow(side_by_side(images.reshape(10, 25, 64)[:, :4].swapaxes(0, 1), 10), cmap="gray_r")
    axis.set(title=f"guidance {guidance}", xticks=10 * np.arange(10) + 4.5, xticklabels=range(10), yticks=[])
plt.show()

# %%
# The rest of a digit
# -------------------
#
# Pixels that are given stay; missing ones are drawn, here for digits of which the class is known. Without `y`
# the class would come out too.

generator.set_params(guidance=0.0)
shown = [np.flatnonzero(labels == label)[0] for label in range(10)]
given = test[shown].copy()
given[:, 32:] = np.nan
rows = {"digit": test[shown], "given": given}
for seed in range(2):
    rows[f"draw {seed + 1}"], _ = generator.sample(given=given, y=labels[shown], random_state=seed)

figure, axis = plt.subplots(figsize=(7, 3.1), layout="constrained")
axis.imshow(
    np.ma.masked_invalid(side_by_side(np.stack(list(rows.values())), 10)),
    cmap=plt.get_cmap("gray_r").with_extremes(bad="#56B4E9"),
)
axis.set(xticks=[], yticks=10 * np.arange(len(rows)) + 4.5, yticklabels=list(rows))
plt.show()
