"""Networks as plain graphs: what makes many of them would mostly compile."""

from contextlib import contextmanager
from functools import partial

import pytest


@contextmanager
def uncompiled():
    """Let no network be compiled by XLA, and none from outside be used."""
    import keras
    import tensorflow as tf

    from skdiffusion import _denoising, _gaussian, _image_network, _masked_network, _training

    def graph(function):
        is_plain = keras.backend.backend() == "tensorflow"
        return tf.function(partial(function), autograph=False) if is_plain else function

    with pytest.MonkeyPatch.context() as patch:
        for module in (_training, _masked_network, _gaussian, _image_network, _denoising):
            patch.setattr(module, "compiled", graph)
        patch.setattr(_training, "borrow", _training._Pool(64).borrow)
        yield
