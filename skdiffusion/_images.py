"""The gaussian process on images: pixels are noised and restored; a class is seen or hidden, never noised."""

import numpy as np

from ._blocks import filled
from ._image_network import SIGMA_MAX, SIGMA_MIN, ImageArchitecture, ImageNetwork, initial_weights
from ._reverse import moves_of
from .schedules import Karras

# Pixels of one call on the device while sampling.
_N_CHUNK_PIXELS = 2**14

# Noise levels at which classes are compared.
_N_LEVELS = 8


class ImageProcess:
    """The gaussian process on images, for pixels that one encoder has put on one scale.

    Forward, noise of a level `sigma` is added to all pixels, of pooled mean 0 and variance 1. A network
    estimates the clean image from the noisy one, its noise level and its class. In a share of the training
    the class is hidden, so that one network knows images of a class and images of any: sampling may go
    further from the second to the first than the class alone does. In a share, too, some pixels are given:
    they have no noise, which the network is told, and it learns the others from them.

    Parameters
    ----------
    encoder : TableEncoder
        Fitted to images, with `pixels`.
    target_encoder : TableEncoder or None
        Fitted to their classes; None if there are none.
    image_shape : tuple of int
        Height, width and number of channels.
    hidden_layer_sizes : tuple of int
        Number of channels of the network at each resolution.
    dropout : float
        Share of units that are dropped in each block while training.

    References
    ----------
    Karras, Aittala, Aila & Laine (2022). Elucidating the Design Space of Diffusion-Based Generative Models.
    NeurIPS. Table 1, with sigma_data = 1.
    Saharia et al. (2022). Palette: Image-to-Image Diffusion Models. SIGGRAPH. Section 4, for given pixels.
    Ho & Salimans (2022). Classifier-Free Diffusion Guidance. arXiv:2207.12598. Equation 6.
    Li, Prabhudesai, Duggal, Brown & Pathak (2023). Your Diffusion Model is Secretly a Zero-Shot Classifier.
    ICCV. Equation 4, for the class of an image that is given in part.
    """

    def __init__(self, encoder, target_encoder, *, image_shape, hidden_layer_sizes, dropout):
        pixel = encoder.columns_[0]
        self._mean, self._std = pixel.mean, pixel.std
        self._n_pixels = len(encoder.columns_)
        self._frequencies = None if target_encoder is None else target_encoder.frequencies_[0]
        self._has_missing = target_encoder is not None and bool(target_encoder.has_missing_[0])
        height, width = image_shape[:2]
        self._n_chunk_rows = max(16, _N_CHUNK_PIXELS // (height * width))
        self.architecture = ImageArchitecture(
            image_shape=tuple(image_shape),
            n_classes=0 if target_encoder is None else len(self._frequencies),
            hidden_layer_sizes=tuple(hidden_layer_sizes),
            dropout=dropout,
        )

    @property
    def n_chunk_rows(self):
        """Number of images in one call on the device."""
        return self._n_chunk_rows

    def arrays(self, encoded):
        """Return the ends of each pixel's interval, on the network's scale, and the class, -1 if hidden."""
        n = self._n_pixels
        low, high = ((ends[:, :n] - self._mean) / self._std for ends in (encoded.low, encoded.high))
        labels = encoded.codes[:, n:]
        labels = labels if labels.shape[1] else np.full((len(labels), 1), -1, np.int32)
        return low.astype(np.float32), high.astype(np.float32), labels

    def build(self):
        """Build the network, with arbitrary weights."""
        return ImageNetwork(self.architecture)

    def load(self, program):
        """Do nothing: a program knows nothing of images but its weights."""

    def initial_weights(self, rng):
        """Draw weights with which the network takes each pixel by itself."""
        return list(initial_weights(self.architecture, rng).values())

    def sample(
        self,
        program,
        encoded,
        seed,
        *,
        holes,
        on_rows=None,
        first_row=0,
        sampler="heun",
        n_sampling_steps=20,
        guidance=0.0,
    ):
        """Draw the hidden pixels and classes of images; the network sees the other pixels as they are.

        Parameters
        ----------
        program : Program
            Holds the weights.
        encoded : EncodedTable
            Images, and beside them their classes if there are any; what is hidden has the code -1.
        seed : int
            Source of the draws. The first images are the same however many follow.
        holes : bool
            Whether a class may be drawn as missing.
        on_rows : callable, default=None
            Told the number of images that are done.
        first_row : int, default=0
            Images that were drawn before with this seed, of which these are the next: whole chunks.
        sampler : {"heun", "euler", "ancestral", "multistep"}, default="heun"
            How noise is taken away: see `samplers`.
        n_sampling_steps : int, default=20
            Number of noise levels.
        guidance : float, default=0.0
            How much further than the class alone the estimate goes from that without a class.

        Returns
        -------
        codes : int32 ndarray of shape (n_samples, n_columns)
            Codes of all cells.
        ranks : float32 ndarray of shape (n_samples, n_pixels)
            Ranks of all pixels.

        Notes
        -----
        A hidden class is drawn first, by its frequency in training, if no pixel is given. Else the image is
        drawn without a class, and then the class given the image.
        """
        n, n_chunk_rows = self._n_pixels, self._n_chunk_rows
        low, high, labels = self.arrays(encoded)
        is_given = encoded.codes[:, :n] >= 0
        moves = moves_of(Karras(sigma_min=SIGMA_MIN, sigma_max=SIGMA_MAX).grid(n_sampling_steps))
        restore = program.network.restore[sampler, bool(guidance)]
        shares = self._shares(holes)
        codes, ranks = encoded.codes.copy(), (encoded.low + encoded.high) / 2
        for chunk, start in enumerate(range(0, len(codes), n_chunk_rows)):
            rows = slice(start, min(start + n_chunk_rows, len(codes)))
            n_rows = rows.stop - start
            rng = np.random.default_rng([seed, first_row // n_chunk_rows + chunk])
            draws = rng.integers(2**31, size=2).astype(np.int32)
            label, position = labels[rows], rng.random((n_chunk_rows, 1))[:n_rows]
            other_draws = rng.integers(2**31, size=2).astype(np.int32)
            if shares is not None:
                is_alone = ~is_given[rows].any(axis=1, keepdims=True)
                drawn = np.searchsorted(shares.cumsum()[:-1], position, side="right").astype(np.int32)
                label = np.where((label < 0) & is_alone, drawn, label)
            x = restore(
                *(filled(array, n_chunk_rows) for array in (low[rows], high[rows], label, is_given[rows])),
                moves,
                np.int32(n_sampling_steps),
                np.float32(guidance),
                draws,
            )
            x = np.where(is_given[rows], (low[rows] + high[rows]) / 2, np.asarray(x)[:n_rows])
            if shares is not None:
                if (label < 0).any():
                    given_image = self._class_shares(program, x, shares, other_draws)
                    drawn = (given_image.cumsum(axis=1)[:, :-1] <= position).sum(axis=1, keepdims=True)
                    label = np.where(label < 0, drawn, label)
                codes[rows, n:] = label
            rank = np.clip(x * self._std + self._mean, 0, 1)
            ranks[rows, :n] = np.where(is_given[rows], ranks[rows, :n], rank)
            if on_rows:
                on_rows(rows.stop)
        codes[:, :n] = 0
        return codes, ranks

    def _shares(self, holes):
        """Return how often each class is drawn; None without classes."""
        if self._frequencies is None:
            return None
        shares = self._frequencies.copy()
        if self._has_missing and not holes and len(shares) > 1:
            shares[-1] = 0
        return shares / shares.sum()

    def _class_shares(self, program, x, shares, draws):
        """Return the probability of each class given whole images, by their bounds with the same noise."""
        log = np.full((len(x), len(shares)), -np.inf)
        x = filled(x, self._n_chunk_rows)
        for label in np.flatnonzero(shares):
            labels = np.full((len(x), 1), label, np.int32)
            bound = program.network.bound(x, x, labels, np.int32(_N_LEVELS), draws)
            log[:, label] = np.log(shares[label]) - np.asarray(bound)[: len(log)]
        log = np.exp(log - log.max(axis=1, keepdims=True))
        return log / log.sum(axis=1, keepdims=True)

    def log_likelihood(self, program, encoded, seed, *, n_levels=32):
        """Return a lower bound of each image's log-likelihood, estimated with one draw at each noise level.

        Parameters
        ----------
        program : Program
            Holds the weights.
        encoded : EncodedTable
            Whole images, and beside them their classes if there are any; a hidden class is left open.
        seed : int
            Source of the draws.
        n_levels : int, default=32
            Number of noise levels.

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,)
            In nats, in the measure of ranks: 0 for pixels that are uniform between the darkest and the
            brightest.

        Raises
        ------
        ValueError
            If a pixel is hidden.
        """
        is_hidden = (encoded.codes[:, : self._n_pixels] < 0).any(axis=1)
        if is_hidden.any():
            raise ValueError(
                f"X has missing pixels, first in row {is_hidden.argmax()}: only whole images have a "
                "likelihood; fill them first, for example by sample(given=X)."
            )
        arrays = self.arrays(encoded)
        total = np.zeros(len(encoded.codes))
        for chunk, start in enumerate(range(0, len(total), self._n_chunk_rows)):
            rows = slice(start, min(start + self._n_chunk_rows, len(total)))
            draws = np.random.default_rng([seed, chunk]).integers(2**31, size=2).astype(np.int32)
            rows_of = (filled(array[rows], self._n_chunk_rows) for array in arrays)
            bound = program.network.bound(*rows_of, np.int32(n_levels), draws)
            total[rows] = -np.asarray(bound)[: rows.stop - start]
        total -= self._n_pixels * np.log(self._std)
        labels = arrays[-1][:, 0]
        if self._frequencies is not None:
            total += np.where(labels < 0, 0, np.log(np.maximum(self._frequencies, 1e-300))[labels])
        return total
