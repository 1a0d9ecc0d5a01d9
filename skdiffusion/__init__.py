"""Diffusion models for tables as scikit-learn estimators."""

from importlib import import_module as _import_module
from importlib.util import find_spec as _find_spec

__version__ = "0.1.0"

# Name -> module that defines it; a name is imported when it is first asked for.
_EXPORTS = {
    "DenoisingRegressor": "_regressor",
    "DiffusionDenoiser": "_denoiser",
    "DiffusionGenerator": "_generator",
    "DiffusionImputer": "_imputer",
    "DiffusionNoiser": "_noiser",
    "DiffusionOverSampler": "_over_sampler",
    "DiffusionOutlierDetector": "_outlier_detector",
}
_TOOLBOXES = ("datasets", "metrics", "networks", "plotting", "samplers", "schedules")

# A star import gives what can be imported: the over-sampler if imbalanced-learn is there.
__all__ = [*_EXPORTS, *_TOOLBOXES]
if _find_spec("imblearn") is None:
    __all__.remove("DiffusionOverSampler")


def __getattr__(name):
    if name in _EXPORTS:
        return getattr(_import_module(f"{__name__}.{_EXPORTS[name]}"), name)
    if name in _TOOLBOXES:
        return _import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_EXPORTS, *_TOOLBOXES})
