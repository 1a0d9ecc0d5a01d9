"""Fitted estimators of every kind, to be saved and loaded."""

import numpy as np

from skdiffusion import (
    DenoisingRegressor,
    DiffusionDenoiser,
    DiffusionGenerator,
    DiffusionImputer,
    DiffusionNoiser,
    DiffusionOutlierDetector,
    DiffusionOverSampler,
)
from skdiffusion.datasets import make_mixed_table

TABLE = make_mixed_table(60, random_state=0)
LABELS = np.where(np.arange(60) % 5, "many", "few")
IMAGES = np.random.default_rng(1).integers(5, size=(60, 16))
NUMBERS = np.random.default_rng(0).normal(size=(60, 3))


def fitted_models():
    """Return an estimator of each kind by name, fitted for an epoch."""
    small = {"hidden_layer_sizes": (4,), "epochs": 1, "random_state": 0}
    generator = DiffusionGenerator(**small)
    sampler = DiffusionOverSampler(generator=generator, random_state=0)
    sampler.fit_resample(TABLE, LABELS)
    return {
        "masked": DiffusionGenerator(**small).fit(TABLE, LABELS),
        "gaussian": DiffusionGenerator(**small, process="gaussian").fit(TABLE),
        "image": DiffusionGenerator(**small, process="gaussian", image_shape=(4, 4)).fit(IMAGES, LABELS),
        "array": DiffusionGenerator(**small).fit(NUMBERS),
        "regressor": DenoisingRegressor(**small).fit(NUMBERS, NUMBERS),
        "denoiser": DiffusionDenoiser(**small).fit(TABLE),
        "imputer": DiffusionImputer(generator=generator, random_state=0).fit(TABLE),
        "detector": DiffusionOutlierDetector(generator=generator, random_state=0).fit(TABLE),
        "sampler": sampler,
        "noiser": DiffusionNoiser(categorical_features="from_dtype", random_state=0).fit(TABLE),
    }


def result(name, model):
    """Return numbers from the model of that name."""
    return _RESULTS[name](model)


def drawn(model):
    """Return rows of the first generator as text, in which no digit is lost."""
    X, y = model.sample(20, random_state=0)
    return X.assign(label=y).to_csv()


def _numbers(frame):
    return frame[["age", "income", "savings"]].to_numpy(float)


_ROWS = TABLE[:20]
_RESULTS = {
    "masked": lambda model: model.score_samples(_ROWS, LABELS[:20]),
    "gaussian": lambda model: model.score_samples(_ROWS),
    "image": lambda model: model.score_samples(IMAGES, LABELS),
    "array": lambda model: model.score_samples(NUMBERS),
    "regressor": lambda model: model.predict(NUMBERS),
    "denoiser": lambda model: _numbers(model.transform(_ROWS)),
    "imputer": lambda model: _numbers(model.transform(_ROWS)),
    "detector": lambda model: model.score_samples(_ROWS),
    "sampler": lambda model: model.generator_.score_samples(_ROWS),
    "noiser": lambda model: _numbers(model.transform(_ROWS)),
}
