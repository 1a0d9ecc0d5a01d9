"""How much noise at which step: schedules, and noise added in closed form.

A schedule maps a step ``t``, from 0 (clean) to ``n_steps``, to a noise level ``sigma``: the standard
deviation of the noise, in units of a column's standard deviation. A clean row ``x0`` at step ``t`` is one
draw of::

    x_t = scale(t) * (x0 + sigma(t) * eps),    eps ~ N(0, 1)

``scale`` is 1, except where a schedule preserves variance: there it is ``1 / sqrt(1 + sigma^2)``.
"""

from abc import ABC, abstractmethod
from contextlib import suppress

import numpy as np
from sklearn.base import BaseEstimator

from ._checks import check_integer, check_real

__all__ = ["Cosine", "Karras", "LinearBeta", "RandomWalk", "Schedule", "add_noise"]

# Beyond this share of noise in one step alpha_bar would underflow (Nichol & Dhariwal 2021, below eq. 17).
_MAX_BETA = 0.999

# Noise is drawn, scaled and added in blocks of rows that stay in a core's cache, so that memory is passed
# over once.
_BLOCK_BYTES = 256 * 1024


class Schedule(BaseEstimator, ABC):
    """What all schedules share.

    To write your own, derive from this class, define `sigmas`, keep the constructor's parameters unchanged in
    attributes of the same names, and set `variance_preserving` if rows are to be scaled by ``1 / sqrt(1 +
    sigma^2)``. Parameters are read with `get_params`, set with `set_params` and tuned as
    ``schedule__n_steps``, as in any scikit-learn estimator.

    Attributes
    ----------
    variance_preserving : bool
        Whether `scale` keeps a column of unit variance at unit variance. A property of the class.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.schedules import Schedule
    >>> class Ramp(Schedule):
    ...     def __init__(self, slope=0.5, n_steps=4):
    ...         self.slope = slope
    ...         self.n_steps = n_steps
    ...
    ...     def sigmas(self):
    ...         return self.slope * np.arange(self.n_steps + 1)
    >>> Ramp().sigma([0, 1, 4])
    array([0. , 0.5, 2. ])
    """

    variance_preserving = False

    @abstractmethod
    def sigmas(self):
        """Return the noise levels of all steps.

        Returns
        -------
        ndarray of shape (n_steps + 1,) or (n_steps + 1, n_features)
            Standard deviation of the noise at steps 0 to `n_steps`: 0 at first, and never falling.
            Two-dimensional where each column has its own level.
        """

    def sigma(self, t):
        """Return the noise level at one or more steps.

        Parameters
        ----------
        t : int or array-like of int
            Steps from 0 to `n_steps`.

        Returns
        -------
        float or ndarray of shape t.shape or t.shape + (n_features,)
            Standard deviation of the noise.

        Raises
        ------
        ValueError
            If a step or a parameter of the schedule is out of range.
        """
        sigmas = self.sigmas()
        return sigmas[_check_steps(t, len(sigmas) - 1)]

    def scale(self, t):
        """Return the factor by which noised rows are multiplied at one or more steps.

        Parameters
        ----------
        t : int or array-like of int
            Steps from 0 to `n_steps`.

        Returns
        -------
        float or ndarray of shape t.shape or t.shape + (n_features,)
            ``1 / sqrt(1 + sigma(t)^2)`` where the schedule preserves variance, else 1.

        Raises
        ------
        ValueError
            If a step or a parameter of the schedule is out of range.
        """
        sigma = self.sigma(t)
        return _preserving_scale(sigma) if self.variance_preserving else np.ones_like(sigma)

    def grid(self, n):
        """Return falling noise levels for a sampler.

        Parameters
        ----------
        n : int
            Number of moves, from 1 to `n_steps`. They are spread evenly over the steps.

        Returns
        -------
        ndarray of shape (n + 1,) or (n + 1, n_features)
            Noise levels from that of step `n_steps` down to that of step 0.

        Raises
        ------
        ValueError
            If `n` or a parameter of the schedule is out of range.
        """
        sigmas = self.sigmas()
        n_steps = len(sigmas) - 1
        check_integer("n", n, low=1, high=n_steps, remedy="raise n_steps for a finer grid")
        return sigmas[np.rint(np.linspace(n_steps, 0, n + 1)).astype(int)]


class RandomWalk(Schedule):
    """Additive random walk: independent noise of the same size at each step.

    Parameters
    ----------
    noise_level : float or array-like of shape (n_features,), default=0.1
        Standard deviation of the noise of a single step, for all columns or one for each. Not negative.
    n_steps : int, default=100
        Number of steps, at least 1.

    Notes
    -----
    ``x_t = x_{t-1} + N(0, noise_level^2)`` adds up to ``sigma(t) = noise_level * sqrt(t)``: variances of
    independent steps add. It is the discrete variance-exploding process of [1]_ (eq. 8) with equal increments
    of variance.

    References
    ----------
    .. [1] Song et al. 2021, "Score-Based Generative Modeling through Stochastic Differential Equations",
           section 3.4.

    Examples
    --------
    >>> from skdiffusion.schedules import RandomWalk
    >>> RandomWalk(noise_level=0.1, n_steps=100).sigma([0, 1, 25, 100])
    array([0. , 0.1, 0.5, 1. ])
    """

    def __init__(self, noise_level=0.1, n_steps=100):
        self.noise_level = noise_level
        self.n_steps = n_steps

    def sigmas(self):
        """Return the noise levels of all steps.

        Returns
        -------
        ndarray of shape (n_steps + 1,) or (n_steps + 1, n_features)
            Standard deviation of the noise at steps 0 to `n_steps`.

        Raises
        ------
        ValueError
            If a parameter is out of range.
        """
        check_integer("n_steps", self.n_steps, low=1)
        return np.multiply.outer(np.sqrt(np.arange(self.n_steps + 1)), _check_noise_level(self.noise_level))


class LinearBeta(Schedule):
    """Variance-preserving noise whose share per step grows linearly (DDPM).

    Parameters
    ----------
    n_steps : int, default=100
        Number of steps, at least 1.
    beta_start : float, default=1e-4
        Share of noise variance mixed in at the first of 1000 steps, in (0, 1).
    beta_end : float, default=0.02
        Share of noise variance mixed in at the last of 1000 steps, from `beta_start` to below 1.

    Notes
    -----
    With ``alpha_bar(t) = prod_{s <= t} (1 - beta_s)``, ``x_t = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) eps``
    ([1]_, eq. 4), which is ``scale * (x0 + sigma * eps)`` with ``sigma^2 = (1 - alpha_bar) / alpha_bar``. The
    betas of [1]_ (section 4) belong to 1000 steps. For another number they are multiplied by ``1000 /
    n_steps`` and capped at 0.999, so that about as little of the data is left at the last step: 0.5 % of its
    spread, or less where there are so few steps that the cap is felt.

    References
    ----------
    .. [1] Ho, Jain and Abbeel 2020, "Denoising Diffusion Probabilistic Models".

    Examples
    --------
    >>> from skdiffusion.schedules import LinearBeta
    >>> LinearBeta(n_steps=1000).scale([0, 500, 1000]).round(3)
    array([1.   , 0.28 , 0.006])
    >>> LinearBeta(n_steps=100).scale([0, 50, 100]).round(3)
    array([1.   , 0.272, 0.005])
    """

    variance_preserving = True

    def __init__(self, n_steps=100, *, beta_start=1e-4, beta_end=0.02):
        self.n_steps = n_steps
        self.beta_start = beta_start
        self.beta_end = beta_end

    def sigmas(self):
        """Return the noise levels of all steps.

        Returns
        -------
        ndarray of shape (n_steps + 1,)
            Standard deviation of the noise, before scaling, at steps 0 to `n_steps`.

        Raises
        ------
        ValueError
            If a parameter is out of range.
        """
        check_integer("n_steps", self.n_steps, low=1)
        check_real("beta_start", self.beta_start, low=0, high=1, open_low=True, open_high=True)
        remedy = f"beta_start is {self.beta_start!r}"
        check_real("beta_end", self.beta_end, low=self.beta_start, high=1, open_high=True, remedy=remedy)
        betas = np.linspace(self.beta_start, self.beta_end, self.n_steps) * (1000 / self.n_steps)
        return _sigmas_of_betas(betas)


class Cosine(Schedule):
    """Variance-preserving noise with a cosine-shaped share of the data (improved DDPM).

    Parameters
    ----------
    n_steps : int, default=100
        Number of steps, at least 1.
    offset : float, default=0.008
        Shift of the cosine that keeps the first steps from being too small. Not negative.

    Notes
    -----
    ``alpha_bar(t) = f(t) / f(0)`` with ``f(t) = cos^2((t / n_steps + offset) / (1 + offset) * pi / 2)``
    ([1]_, eq. 17); ``beta_t = 1 - alpha_bar(t) / alpha_bar(t - 1)`` is capped at 0.999.

    References
    ----------
    .. [1] Nichol and Dhariwal 2021, "Improved Denoising Diffusion Probabilistic Models".

    Examples
    --------
    >>> from skdiffusion.schedules import Cosine
    >>> Cosine(n_steps=100).scale([0, 50, 99]).round(3)
    array([1.   , 0.703, 0.016])
    """

    variance_preserving = True

    def __init__(self, n_steps=100, *, offset=0.008):
        self.n_steps = n_steps
        self.offset = offset

    def sigmas(self):
        """Return the noise levels of all steps.

        Returns
        -------
        ndarray of shape (n_steps + 1,)
            Standard deviation of the noise, before scaling, at steps 0 to `n_steps`.

        Raises
        ------
        ValueError
            If a parameter is out of range.
        """
        check_integer("n_steps", self.n_steps, low=1)
        check_real("offset", self.offset, low=0)
        time = np.arange(self.n_steps + 1) / self.n_steps
        f = np.cos((time + self.offset) / (1 + self.offset) * np.pi / 2) ** 2  # eq. 17
        return _sigmas_of_betas(1 - f[1:] / f[:-1])


class Karras(Schedule):
    """Variance-exploding noise levels, dense where they are small (EDM).

    Parameters
    ----------
    n_steps : int, default=100
        Number of steps, at least 1.
    sigma_min : float, default=0.002
        Noise level of step 1, above 0. Step 0 is clean.
    sigma_max : float, default=80.0
        Noise level of step `n_steps`, at least `sigma_min`.
    rho : float, default=7.0
        How much denser the small noise levels are; 1 spaces all evenly. Above 0.

    Notes
    -----
    ``sigma_i = (sigma_max^(1/rho) + i / (N - 1) * (sigma_min^(1/rho) - sigma_max^(1/rho)))^rho`` for ``i <
    N`` and ``sigma_N = 0`` ([1]_, eq. 5). `grid` applies it with ``N = n``, whatever `n_steps` is; `sigma`
    with ``N = n_steps``, counted from the other end.

    References
    ----------
    .. [1] Karras, Aittala, Aila and Laine 2022, "Elucidating the Design Space of Diffusion-Based Generative
           Models".

    Examples
    --------
    >>> from skdiffusion.schedules import Karras
    >>> Karras().grid(5).round(3)
    array([8.0000e+01, 1.7528e+01, 2.5150e+00, 1.7000e-01, 2.0000e-03, 0.0000e+00])
    """

    def __init__(self, n_steps=100, *, sigma_min=0.002, sigma_max=80.0, rho=7.0):
        self.n_steps = n_steps
        self.sigma_min = sigma_min
        self.sigma_max = sigma_max
        self.rho = rho

    def sigmas(self):
        """Return the noise levels of all steps.

        Returns
        -------
        ndarray of shape (n_steps + 1,)
            Standard deviation of the noise at steps 0 to `n_steps`.

        Raises
        ------
        ValueError
            If a parameter is out of range.
        """
        check_integer("n_steps", self.n_steps, low=1)
        return self.grid(self.n_steps)[::-1]

    def grid(self, n):
        """Return falling noise levels for a sampler.

        Parameters
        ----------
        n : int
            Number of moves, at least 1.

        Returns
        -------
        ndarray of shape (n + 1,)
            Noise levels from `sigma_max` down to `sigma_min`, then 0.

        Raises
        ------
        ValueError
            If `n` or a parameter of the schedule is out of range.
        """
        check_integer("n", n, low=1)
        check_real("sigma_min", self.sigma_min, low=0, open_low=True)
        remedy = f"sigma_min is {self.sigma_min!r}"
        check_real("sigma_max", self.sigma_max, low=self.sigma_min, remedy=remedy)
        check_real("rho", self.rho, low=0, open_low=True)
        roots = np.linspace(self.sigma_max ** (1 / self.rho), self.sigma_min ** (1 / self.rho), n)
        return np.append(roots**self.rho, 0.0)  # eq. 5


def add_noise(x, schedule, t, rng):
    """Noise rows to given steps of a schedule, in one draw.

    Parameters
    ----------
    x : ndarray of shape (n_samples, n_features)
        Clean rows, float32 or float64. Never written to; NaN stays NaN.
    schedule : Schedule
        Noise level of each step.
    t : int or ndarray of int of shape (n_samples,)
        Step from 0 to `n_steps`, for all rows or one for each.
    rng : numpy.random.Generator
        Source of the noise.

    Returns
    -------
    ndarray of shape (n_samples, n_features)
        A draw of ``scale(t) * (x + sigma(t) * eps)``, with the dtype of `x`.

    Raises
    ------
    TypeError
        If an argument is not of the type above.
    ValueError
        If a step or a parameter of the schedule is out of range, or a shape does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.schedules import RandomWalk, add_noise
    >>> x = np.zeros((10_000, 2))
    >>> noised = add_noise(x, RandomWalk(noise_level=0.1, n_steps=100), 25, np.random.default_rng(0))
    >>> noised.std(axis=0).round(1)
    array([0.5, 0.5])
    """
    if not isinstance(x, np.ndarray) or x.dtype.type not in (np.float32, np.float64) or x.ndim != 2:
        raise TypeError(
            f"x must be a float32 or float64 ndarray of shape (n_samples, n_features), got {_kind(x)}"
        )
    if not isinstance(schedule, Schedule):
        raise TypeError(f"schedule must be a Schedule such as RandomWalk(), got {schedule!r}")
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"rng must be a numpy.random.Generator such as numpy.random.default_rng(0), got {rng!r}"
        )
    sigmas = schedule.sigmas()
    t = _check_steps(t, len(sigmas) - 1)
    if t.shape not in ((), x.shape[:1]):
        raise ValueError(f"t must be one step or one for each of the {len(x)} rows, got shape {t.shape}")
    if sigmas.shape[1:] not in ((), x.shape[1:]):
        raise ValueError(
            f"the schedule has noise levels for {sigmas.shape[1]} features, but x has {x.shape[1]}: "
            "give one noise_level, or one for each feature"
        )
    return _add_noise(x, sigmas, t, rng, variance_preserving=schedule.variance_preserving)


def _add_noise(x, sigmas, t, rng, *, variance_preserving, clip=None):
    """`add_noise` without checks, from the table of all noise levels, and with clipping to (low, high)."""
    # One column that broadcasts, or one for each feature: either way a row of the table serves a row of x.
    sigmas = sigmas.reshape(len(sigmas), -1)
    scales = _preserving_scale(sigmas).astype(x.dtype) if variance_preserving else None
    sigmas = sigmas.astype(x.dtype)
    noised = np.empty(x.shape, x.dtype)  # C order whatever x's: the draw depends on the shape alone
    n_rows = max(1, _BLOCK_BYTES // max(1, x.itemsize * x.shape[1]))
    for start in range(0, len(x), n_rows):
        rows = slice(start, start + n_rows)
        steps = t[rows] if t.ndim else t
        block = noised[rows]
        rng.standard_normal(out=block, dtype=block.dtype)
        block *= sigmas[steps]
        block += x[rows]
        if scales is not None:
            block *= scales[steps]
        if clip is not None:
            np.clip(block, *clip, out=block)
    return noised


def _preserving_scale(sigma):
    return 1 / np.sqrt(1 + np.square(sigma))


def _sigmas_of_betas(betas):
    """Noise levels of the variance-preserving process that mixes in a share beta_t of noise at step t."""
    # sigma^2 = (1 - alpha_bar) / alpha_bar = exp(-log(alpha_bar)) - 1, exact also where alpha_bar is close to
    # 1.
    log_alpha_bar = np.cumsum(np.log1p(-np.minimum(betas, _MAX_BETA)))
    return np.sqrt(np.expm1(-np.append(0.0, log_alpha_bar)))


def _check_steps(t, n_steps):
    steps = np.asarray(t)
    if steps.dtype.kind not in "iu":
        raise ValueError(f"t must be whole steps from 0 to n_steps={n_steps}, got {t!r}")
    if steps.size and (steps.min() < 0 or steps.max() > n_steps):
        raise ValueError(
            f"t must lie between 0 and n_steps={n_steps}, got steps from {steps.min()} to {steps.max()}"
        )
    return steps


def _check_noise_level(noise_level):
    levels = np.array(np.nan)
    with suppress(TypeError, ValueError):
        if np.asarray(noise_level).dtype != bool:
            levels = np.asarray(noise_level, dtype=float)
    if levels.ndim > 1 or not np.all((levels >= 0) & (levels < np.inf)):
        raise ValueError(
            "noise_level must be finite and not negative, one number or one for each feature, "
            f"got {noise_level!r}"
        )
    return levels


def _kind(x):
    if isinstance(x, np.ndarray):
        return f"{x.dtype} of shape {x.shape}"
    return type(x).__name__
