"""From noise to rows on the device: noise is taken away move by move, and given cells are held."""

import numpy as np
from keras import ops

from ._training import Draws
from .samplers import ancestral_step, euler_step, heun_step, multistep_step, multistep_weights

# Passes at each noise level where cells are given.
N_ROUNDS = 4


def moves_of(sigmas):
    """Return both ends of each move and its weight in `multistep`; the number of rows is a power of two."""
    n_moves = len(sigmas) - 1
    moves = np.ones((2 ** (n_moves - 1).bit_length(), 3), np.float32)
    moves[:n_moves] = np.stack([sigmas[:-1], sigmas[1:], multistep_weights(sigmas)], axis=1)
    return moves


def follow(denoise, x, x0, is_given, moves, n_moves, n_rounds, seed, sampler):
    """Follow a denoiser from the first noise level to the last one above 0.

    Parameters
    ----------
    denoise : callable
        ``denoise(x, sigma)`` is the posterior mean of the clean rows.
    x : tensor of shape (n_samples, n_features)
        Rows at the first noise level.
    x0 : tensor of shape (n_samples, n_features)
        Clean rows, of which the given coordinates count.
    is_given : bool tensor of shape (n_samples, n_features)
        Which coordinates are held at those of `x0`.
    moves : tensor of shape (n, 3)
        From `moves_of`.
    n_moves : int tensor
        How many of them there are; the last one, to the level 0, is left to the caller.
    n_rounds : int tensor
        Passes at each level, above 1 where coordinates are given: rows go back and forth.
    seed : int tensor of shape (2,)
        Source of the noise.
    sampler : {"heun", "euler", "ancestral", "multistep"}
        How noise is taken away.

    Returns
    -------
    x : tensor of shape (n_samples, n_features)
        Rows at the last noise level above 0.

    References
    ----------
    Lugmayr et al. (2022). RePaint: Inpainting using Denoising Diffusion Probabilistic Models. CVPR.
    Algorithm 1.
    """
    has_given = ops.any(is_given, axis=1, keepdims=True)

    def step(count, x, previous):
        move, is_last = count // n_rounds, count % n_rounds == n_rounds - 1
        rounds_left = n_rounds - 1 - count % n_rounds
        draws = Draws(ops.stack([seed[0], seed[1] + 1 + move * N_ROUNDS + rounds_left]))
        sigma, sigma_next, weight = ops.unstack(ops.take(moves, move, axis=0))
        x = ops.where(is_given, x0 + sigma * draws.normal(x.shape), x)
        clean = previous
        if sampler == "multistep":
            moved, clean = multistep_step(denoise, x, sigma, sigma_next, previous, weight)
        elif sampler == "ancestral":
            moved = ancestral_step(denoise, x, sigma, sigma_next, draws.normal(x.shape))
        else:
            moved = {"euler": euler_step, "heun": heun_step}[sampler](denoise, x, sigma, sigma_next)
        again = moved + ops.sqrt(ops.square(sigma) - ops.square(sigma_next)) * draws.normal(x.shape)
        x = ops.where(is_last, moved, ops.where(has_given, again, x))
        return count + 1, x, ops.where(is_last, clean, previous)

    _, x, _ = ops.while_loop(
        lambda count, *_: count < (n_moves - 1) * n_rounds, step, (0, x, ops.zeros_like(x))
    )
    noise = Draws(ops.stack([seed[0], seed[1] - 1])).normal(x.shape)
    return ops.where(is_given, x0 + last_level(moves, n_moves) * noise, x)


def last_level(moves, n_moves):
    """Return the last noise level above 0."""
    # A slice at a place that is told at run time would be compiled anew for each.
    return ops.take(moves[:, 0], n_moves - 1)
