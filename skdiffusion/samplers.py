"""From noise to rows: samplers, which follow a denoiser from the largest noise level down to 0.

A denoiser is any callable ``denoise(x, sigma)`` that gives the posterior mean ``E[x0 | x]`` of clean rows
``x0``, of which ``x = x0 + sigma * eps`` are the noisy ones. It alone defines a path from noise to data, the
probability-flow equation::

    dx / dsigma = (x - denoise(x, sigma)) / sigma

`euler`, `heun` and `multistep` solve it, `ancestral` draws from the reverse random walk that has the same
distribution at every noise level. All of them start from rows ``x`` at the noise level ``sigmas[0]`` and move
along falling noise levels ``sigmas``, such as ``Karras().grid(18)``, that end in 0.

Each sampler is a loop over a function of one move (`euler_step`, `heun_step`, ...), made of arithmetic
operators alone. These take NumPy arrays and the tensors of any framework, also as the body of a loop that a
framework compiles.

Rows are not scaled here. Those of a schedule that preserves variance are divided by its ``scale`` first: its
noise levels are those before scaling.
"""

from itertools import pairwise

import numpy as np

__all__ = [
    "ancestral",
    "ancestral_step",
    "euler",
    "euler_step",
    "heun",
    "heun_step",
    "multistep",
    "multistep_step",
    "multistep_weights",
]


def euler(denoise, x, sigmas, *, callback=None):
    """Solve the probability-flow equation by Euler's method, the deterministic sampler of DDIM.

    Parameters
    ----------
    denoise : callable
        The denoiser: ``denoise(x, sigma)`` is the posterior mean of the clean rows, of the shape of `x`;
        `sigma` is a float. Called once a move.
    x : ndarray or tensor of shape (n_samples, n_features)
        Rows at the noise level ``sigmas[0]``, floating. Never written to.
    sigmas : ndarray of float of shape (n + 1,)
        Noise levels of the `n` moves: strictly falling, the last one 0.
    callback : callable or None, default=None
        Called as ``callback(x, sigma)`` with the rows after each move and their noise level.

    Returns
    -------
    ndarray or tensor of shape (n_samples, n_features)
        Rows at noise level 0.

    Raises
    ------
    TypeError
        If `x` or `sigmas` is not of the type above.
    ValueError
        If `sigmas` does not fall, or does not end in 0, or `denoise` returns another shape.

    See Also
    --------
    heun : Second order, at two calls of the denoiser a move.
    multistep : Second order, at one.

    Notes
    -----
    ``x' = x + (sigma' - sigma) * (x - denoise(x, sigma)) / sigma``, whose error falls as ``1 / n``. It is
    DDIM's step ([1]_, eq. 13) for ``x / scale``, and Algorithm 1 of [2]_ without its correction.

    References
    ----------
    .. [1] Song, Meng and Ermon 2021, "Denoising Diffusion Implicit Models".
    .. [2] Karras, Aittala, Aila and Laine 2022, "Elucidating the Design Space of Diffusion-Based Generative
           Models".

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.samplers import euler
    >>> from skdiffusion.schedules import Karras
    >>> def denoise(x, sigma):  # rows from N(3, 0.5^2)
    ...     return 3 + 0.5**2 / (0.5**2 + sigma**2) * (x - 3)
    >>> sigmas = Karras().grid(100)
    >>> x = sigmas[0] * np.random.default_rng(0).standard_normal((10_000, 1))
    >>> rows = euler(denoise, x, sigmas)
    >>> print(f"{rows.mean():.1f} {rows.std():.1f}")
    3.0 0.5
    """
    denoise = _check_arguments(denoise, x, sigmas)

    def move(x, sigma, sigma_next):
        return euler_step(denoise, x, sigma, sigma_next)

    return _follow(move, x, sigmas, callback)


def euler_step(denoise, x, sigma, sigma_next):
    """Move rows from one noise level to a lower one, as `euler` does.

    Parameters
    ----------
    denoise : callable
        The denoiser, called as ``denoise(x, sigma)``.
    x : ndarray or tensor of shape (n_samples, n_features)
        Rows at the noise level `sigma`.
    sigma : float, or ndarray or tensor of shape () or (n_samples, 1)
        Noise level of the rows, above 0.
    sigma_next : float, or ndarray or tensor of shape () or (n_samples, 1)
        Noise level to move to, at least 0.

    Returns
    -------
    ndarray or tensor of shape (n_samples, n_features)
        Rows at the noise level `sigma_next`. At 0 that is ``denoise(x, sigma)``.

    See Also
    --------
    euler : The loop over such moves, with the formula.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.samplers import euler_step
    >>> euler_step(lambda x, sigma: x / (1 + sigma**2), np.array([[2.0]]), 1.0, 0.5)
    array([[1.5]])
    """
    clean = denoise(x, sigma)
    # x + (sigma' - sigma) (x - clean) / sigma, in the form that is exact at sigma' = 0.
    return clean + sigma_next / sigma * (x - clean)


def heun(denoise, x, sigmas, *, callback=None):
    """Solve the probability-flow equation by Heun's method (EDM's deterministic sampler).

    Parameters
    ----------
    denoise : callable
        The denoiser: ``denoise(x, sigma)`` is the posterior mean of the clean rows, of the shape of `x`;
        `sigma` is a float. Called twice a move, once in the last.
    x : ndarray or tensor of shape (n_samples, n_features)
        Rows at the noise level ``sigmas[0]``, floating. Never written to.
    sigmas : ndarray of float of shape (n + 1,)
        Noise levels of the `n` moves: strictly falling, the last one 0.
    callback : callable or None, default=None
        Called as ``callback(x, sigma)`` with the rows after each move and their noise level.

    Returns
    -------
    ndarray or tensor of shape (n_samples, n_features)
        Rows at noise level 0.

    Raises
    ------
    TypeError
        If `x` or `sigmas` is not of the type above.
    ValueError
        If `sigmas` does not fall, or does not end in 0, or `denoise` returns another shape.

    See Also
    --------
    multistep : Second order at one call of the denoiser a move.

    Notes
    -----
    With the slope ``d(x, sigma) = (x - denoise(x, sigma)) / sigma``, a move averages the slopes at both of
    its ends ([1]_, Algorithm 1)::

        x~ = x + (sigma' - sigma) * d(x, sigma)
        x' = x + (sigma' - sigma) * (d(x, sigma) + d(x~, sigma')) / 2

    The error falls as ``1 / n^2``. There is no slope at ``sigma' = 0``: the last move is Euler's, which
    returns ``denoise(x, sigma)``.

    References
    ----------
    .. [1] Karras, Aittala, Aila and Laine 2022, "Elucidating the Design Space of Diffusion-Based Generative
           Models".

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.samplers import heun
    >>> from skdiffusion.schedules import Karras
    >>> def denoise(x, sigma):  # rows from N(3, 0.5^2)
    ...     return 3 + 0.5**2 / (0.5**2 + sigma**2) * (x - 3)
    >>> sigmas = Karras().grid(18)
    >>> x = sigmas[0] * np.random.default_rng(0).standard_normal((10_000, 1))
    >>> rows = heun(denoise, x, sigmas)
    >>> print(f"{rows.mean():.1f} {rows.std():.1f}")
    3.0 0.5
    """
    denoise = _check_arguments(denoise, x, sigmas)

    def move(x, sigma, sigma_next):
        step = heun_step if sigma_next > 0 else euler_step
        return step(denoise, x, sigma, sigma_next)

    return _follow(move, x, sigmas, callback)


def heun_step(denoise, x, sigma, sigma_next):
    """Move rows from one noise level to a lower one that is not 0, as `heun` does.

    Parameters
    ----------
    denoise : callable
        The denoiser, called as ``denoise(x, sigma)`` and once more at `sigma_next`.
    x : ndarray or tensor of shape (n_samples, n_features)
        Rows at the noise level `sigma`.
    sigma : float, or ndarray or tensor of shape () or (n_samples, 1)
        Noise level of the rows, above 0.
    sigma_next : float, or ndarray or tensor of shape () or (n_samples, 1)
        Noise level to move to, above 0. The move to 0 is ``denoise(x, sigma)``.

    Returns
    -------
    ndarray or tensor of shape (n_samples, n_features)
        Rows at the noise level `sigma_next`.

    See Also
    --------
    heun : The loop over such moves, with the formula.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.samplers import heun_step
    >>> heun_step(lambda x, sigma: x / (1 + sigma**2), np.array([[2.0]]), 1.0, 0.5)
    array([[1.6]])
    """
    # Algorithm 1; the numbers are its lines.
    slope = (x - denoise(x, sigma)) / sigma  # 4
    guess = x + (sigma_next - sigma) * slope  # 5
    slope_next = (guess - denoise(guess, sigma_next)) / sigma_next  # 7
    return x + (sigma_next - sigma) * (0.5 * slope + 0.5 * slope_next)  # 8


def ancestral(denoise, x, sigmas, rng, *, callback=None):
    """Draw from the reverse random walk, noise by noise (DDPM's sampler).

    Parameters
    ----------
    denoise : callable
        The denoiser: ``denoise(x, sigma)`` is the posterior mean of the clean rows, of the shape of `x`;
        `sigma` is a float. Called once a move.
    x : ndarray of shape (n_samples, n_features)
        Rows at the noise level ``sigmas[0]``, float32 or float64. Never written to.
    sigmas : ndarray of float of shape (n + 1,)
        Noise levels of the `n` moves: strictly falling, the last one 0.
    rng : numpy.random.Generator
        Source of the noise.
    callback : callable or None, default=None
        Called as ``callback(x, sigma)`` with the rows after each move and their noise level.

    Returns
    -------
    ndarray of shape (n_samples, n_features)
        Rows at noise level 0.

    Raises
    ------
    TypeError
        If an argument is not of the type above.
    ValueError
        If `sigmas` does not fall, or does not end in 0, or `denoise` returns another shape.

    See Also
    --------
    heun : Draws no noise, and needs fewer moves.

    Notes
    -----
    If the clean row were known, the row at the lower level would be Gaussian ([1]_, eq. 6 and 7, for ``x /
    scale``; [2]_, appendix F)::

        x' ~ N(x0 + k * (x - x0), sigma'^2 * (1 - k)),    k = sigma'^2 / sigma^2

    A move draws from it with ``denoise(x, sigma)`` in place of ``x0``. That leaves out the spread of ``x0``
    given ``x``, so that rows come out somewhat too close together where moves are few: the error falls as ``1
    / n``. In return, noise drawn later covers errors made earlier.

    References
    ----------
    .. [1] Ho, Jain and Abbeel 2020, "Denoising Diffusion Probabilistic Models".
    .. [2] Song et al. 2021, "Score-Based Generative Modeling through Stochastic Differential Equations".

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.samplers import ancestral
    >>> from skdiffusion.schedules import Karras
    >>> def denoise(x, sigma):  # rows from N(3, 0.5^2)
    ...     return 3 + 0.5**2 / (0.5**2 + sigma**2) * (x - 3)
    >>> rng = np.random.default_rng(0)
    >>> sigmas = Karras().grid(200)
    >>> x = sigmas[0] * rng.standard_normal((10_000, 1))
    >>> rows = ancestral(denoise, x, sigmas, rng)
    >>> print(f"{rows.mean():.1f} {rows.std():.1f}")
    3.0 0.5
    """
    if not isinstance(x, np.ndarray):
        # Noise from `rng` would become a constant of a compiled loop, the same on each call.
        raise TypeError(
            f"x must be a float32 or float64 ndarray of shape (n_samples, n_features), got {_kind(x)}; "
            "for tensors, write the loop with ancestral_step, which takes the noise"
        )
    denoise = _check_arguments(denoise, x, sigmas)
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"rng must be a numpy.random.Generator such as numpy.random.default_rng(0), got {rng!r}"
        )

    def move(x, sigma, sigma_next):
        return ancestral_step(denoise, x, sigma, sigma_next, rng.standard_normal(x.shape, x.dtype))

    return _follow(move, x, sigmas, callback)


def ancestral_step(denoise, x, sigma, sigma_next, noise):
    """Move rows from one noise level to a lower one, as `ancestral` does.

    Parameters
    ----------
    denoise : callable
        The denoiser, called as ``denoise(x, sigma)``.
    x : ndarray or tensor of shape (n_samples, n_features)
        Rows at the noise level `sigma`.
    sigma : float, or ndarray or tensor of shape () or (n_samples, 1)
        Noise level of the rows, above 0.
    sigma_next : float, or ndarray or tensor of shape () or (n_samples, 1)
        Noise level to move to, from 0 to `sigma`.
    noise : ndarray or tensor of shape (n_samples, n_features)
        Draws of N(0, 1), new ones for each move.

    Returns
    -------
    ndarray or tensor of shape (n_samples, n_features)
        Rows at the noise level `sigma_next`. At 0 that is ``denoise(x, sigma)``.

    See Also
    --------
    ancestral : The loop over such moves, with the formula.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.samplers import ancestral_step
    >>> noise = np.array([[1.0]])
    >>> ancestral_step(lambda x, sigma: x / (1 + sigma**2), np.array([[2.0]]), 1.0, 0.6, noise)
    array([[1.84]])
    """
    clean = denoise(x, sigma)
    kept = (sigma_next / sigma) ** 2
    return clean + kept * (x - clean) + sigma_next * (1 - kept) ** 0.5 * noise


def multistep(denoise, x, sigmas, *, callback=None):
    """Solve the probability-flow equation by DPM-Solver++(2M), which remembers the last clean rows.

    Parameters
    ----------
    denoise : callable
        The denoiser: ``denoise(x, sigma)`` is the posterior mean of the clean rows, of the shape of `x`;
        `sigma` is a float. Called once a move.
    x : ndarray or tensor of shape (n_samples, n_features)
        Rows at the noise level ``sigmas[0]``, floating. Never written to.
    sigmas : ndarray of float of shape (n + 1,)
        Noise levels of the `n` moves: strictly falling, the last one 0.
    callback : callable or None, default=None
        Called as ``callback(x, sigma)`` with the rows after each move and their noise level.

    Returns
    -------
    ndarray or tensor of shape (n_samples, n_features)
        Rows at noise level 0.

    Raises
    ------
    TypeError
        If `x` or `sigmas` is not of the type above.
    ValueError
        If `sigmas` does not fall, or does not end in 0, or `denoise` returns another shape.

    See Also
    --------
    heun : Second order too, without memory, at two calls of the denoiser a move.

    Notes
    -----
    Between two noise levels the equation is linear but for the denoiser. The linear part is solved exactly,
    the denoiser extrapolated in ``lambda = -log(sigma)`` from its last two values ([1]_, Algorithm 2, with
    ``alpha = 1``), of which ``D-`` is that of the move before::

        D  = denoise(x, sigma)
        x' = sigma' / sigma * x + (1 - sigma' / sigma) * (D + w * (D - D-))
        w  = h / (2 * h-),    h = log(sigma / sigma')

    The error falls as ``1 / n^2``. The first move has no ``D-``, and the last one no finite ``h``: there ``w
    = 0``, which is Euler's move. The last move thus returns ``denoise(x, sigma)``.

    References
    ----------
    .. [1] Lu, Zhou, Bao, Chen, Li and Zhu 2022, "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion
           Probabilistic Models".

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.samplers import multistep
    >>> from skdiffusion.schedules import Karras
    >>> def denoise(x, sigma):  # rows from N(3, 0.5^2)
    ...     return 3 + 0.5**2 / (0.5**2 + sigma**2) * (x - 3)
    >>> sigmas = Karras().grid(18)
    >>> x = sigmas[0] * np.random.default_rng(0).standard_normal((10_000, 1))
    >>> rows = multistep(denoise, x, sigmas)
    >>> print(f"{rows.mean():.1f} {rows.std():.1f}")
    3.0 0.5
    """
    denoise = _check_arguments(denoise, x, sigmas)
    weights = iter(multistep_weights(sigmas).tolist())
    clean = x  # of weight 0 in the first move

    def move(x, sigma, sigma_next):
        nonlocal clean
        x, clean = multistep_step(denoise, x, sigma, sigma_next, clean, next(weights))
        return x

    return _follow(move, x, sigmas, callback)


def multistep_step(denoise, x, sigma, sigma_next, previous, weight):
    """Move rows from one noise level to a lower one, as `multistep` does.

    Parameters
    ----------
    denoise : callable
        The denoiser, called as ``denoise(x, sigma)``.
    x : ndarray or tensor of shape (n_samples, n_features)
        Rows at the noise level `sigma`.
    sigma : float, or ndarray or tensor of shape () or (n_samples, 1)
        Noise level of the rows, above 0.
    sigma_next : float, or ndarray or tensor of shape () or (n_samples, 1)
        Noise level to move to, at least 0.
    previous : ndarray or tensor of shape (n_samples, n_features)
        Clean rows that the move before returned. In the first move, anything of that shape, such as `x`.
    weight : float, or ndarray or tensor of shape () or (n_samples, 1)
        This move's entry of `multistep_weights`.

    Returns
    -------
    x_next : ndarray or tensor of shape (n_samples, n_features)
        Rows at the noise level `sigma_next`.
    clean : ndarray or tensor of shape (n_samples, n_features)
        ``denoise(x, sigma)``, for the next move.

    See Also
    --------
    multistep : The loop over such moves, with the formula.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.samplers import multistep_step
    >>> x, previous = np.array([[2.0]]), np.array([[0.8]])
    >>> multistep_step(lambda x, sigma: x / (1 + sigma**2), x, 1.0, 0.5, previous, 0.5)
    (array([[1.55]]), array([[1.]]))
    """
    clean = denoise(x, sigma)
    ahead = clean + weight * (clean - previous)
    return ahead + sigma_next / sigma * (x - ahead), clean


def multistep_weights(sigmas):
    """Return how far each move of `multistep` extrapolates from the last two clean rows.

    Parameters
    ----------
    sigmas : ndarray of float of shape (n + 1,)
        Noise levels of the `n` moves: strictly falling, the last one 0.

    Returns
    -------
    ndarray of shape (n,)
        The weight of each move in `multistep_step`: half the ratio of its length in ``log(sigma)`` to the
        length of the move before; 0 in the first and the last.

    Raises
    ------
    TypeError
        If `sigmas` is not of the type above.
    ValueError
        If `sigmas` does not fall, or does not end in 0.

    See Also
    --------
    multistep : The sampler, with the formula.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.samplers import multistep_weights
    >>> multistep_weights(np.array([8.0, 4.0, 1.0, 0.5, 0.0]))
    array([0.  , 1.  , 0.25, 0.  ])
    """
    _check_grid(sigmas)
    weights = np.zeros(len(sigmas) - 1)
    h = np.log(sigmas[:-2] / sigmas[1:-1])
    weights[1:-1] = h[1:] / (2 * h[:-1])
    return weights


def _follow(move, x, sigmas, callback):
    # Python's floats take the precision of whatever they meet; NumPy's would turn float32 into float64.
    for sigma, sigma_next in pairwise(sigmas.tolist()):
        x = move(x, sigma, sigma_next)
        if callback is not None:
            callback(x, sigma_next)
    return x


def _check_arguments(denoise, x, sigmas):
    """Raise unless all is as the samplers ask for; return the denoiser, whose results are then checked."""
    _check_grid(sigmas)
    if not isinstance(x, np.ndarray):
        if hasattr(x, "shape") and hasattr(x, "dtype"):
            return denoise  # a tensor: frameworks have their own rules for shapes, and their own errors
    elif x.dtype.type in (np.float32, np.float64) and x.ndim == 2:

        def checked(x, sigma):
            clean = denoise(x, sigma)
            if np.shape(clean) != x.shape:
                raise ValueError(f"denoise must return rows of the shape of x, {x.shape}, got {_kind(clean)}")
            return clean

        return checked
    raise TypeError(
        "x must be a float32 or float64 ndarray of shape (n_samples, n_features), or a tensor, "
        f"got {_kind(x)}"
    )


def _check_grid(sigmas):
    if not isinstance(sigmas, np.ndarray) or sigmas.dtype.kind != "f" or sigmas.ndim != 1:
        raise TypeError(
            "sigmas must be a float ndarray of shape (n + 1,) with one noise level for all features, such as "
            f"Karras().grid(18), got {_kind(sigmas)}"
        )
    if len(sigmas) < 2 or sigmas[-1] != 0:
        raise ValueError(
            "sigmas must hold at least two noise levels, of which the last is 0, as schedule.grid(n) does, "
            f"got {len(sigmas)} that end with {sigmas[-2:].tolist()}"
        )
    rises = ~(np.diff(sigmas) < 0)  # true of NaN too
    if rises.any() or not np.isfinite(sigmas[0]):
        i = int(rises.argmax())
        raise ValueError(
            "sigmas must be finite and fall strictly, as schedule.grid(n) does, "
            f"got {sigmas[i]} and then {sigmas[i + 1]} at index {i + 1}"
        )


def _kind(x):
    if isinstance(x, np.ndarray):
        return f"{x.dtype} of shape {x.shape}"
    return type(x).__name__
