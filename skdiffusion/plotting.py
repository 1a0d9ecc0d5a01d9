"""Displays: what an estimator did, or how two tables compare, as pictures in scikit-learn's manner.

A display holds what it shows. `from_estimator` and `from_predictions` make one and draw it, `plot` draws it
again. They need matplotlib, which comes with ``pip install 'skdiffusion[plot]'``.
"""

from ._display_denoising import DenoisingDisplay
from ._display_dependence import DependenceDisplay
from ._display_imputation import ImputationDisplay
from ._display_marginals import MarginalsDisplay
from ._display_noise_path import NoisePathDisplay
from ._display_sample_path import SamplePathDisplay
from ._display_training import TrainingDisplay

__all__ = [
    "DenoisingDisplay",
    "DependenceDisplay",
    "ImputationDisplay",
    "MarginalsDisplay",
    "NoisePathDisplay",
    "SamplePathDisplay",
    "TrainingDisplay",
]
