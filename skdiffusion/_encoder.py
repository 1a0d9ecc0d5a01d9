"""A table as codes and ranks, and back: what both diffusion processes see of a table."""

from numbers import Integral
from typing import NamedTuple
from warnings import warn

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ._cells import Column
from ._checks import check_integer, check_option, check_real, check_unless_auto
from ._columns import CategoricalColumn, NumericColumn
from ._pixels import PixelColumn, check_pixel, check_scale
from ._state import as_plain, from_plain
from ._table import (
    as_table,
    assemble,
    column_name,
    empty_like,
    in_container_of,
    is_frame,
    number_mask,
    read_categories,
    read_numbers,
    with_columns_of,
)


class EncodedTable(NamedTuple):
    """A table as codes and ranks.

    Attributes
    ----------
    codes : int32 ndarray of shape (n_samples, n_columns)
        The discrete part of each cell; -1 for a cell that is to be drawn.
    low, high : float32 ndarray of shape (n_samples, n_detailed)
        The interval of the cell's rank within its bin, in (0, 1). Equal cells of training share an interval,
        else both ends are equal. Both are 0.5 where the code is no bin.
    """

    codes: np.ndarray
    low: np.ndarray
    high: np.ndarray


class TableEncoder(BaseEstimator):
    """Encode a table of numbers, dates and categories as codes and ranks.

    Every cell gets a code. In a categorical column it stands for a category; in a numeric one for an atom (a
    value that is repeated far more often than its neighbours) or for a bin of neighbouring values, inside
    which a rank tells them apart. A column of few values, each repeated often, has atoms only. Missing cells
    have a code of their own, the last one, if the training table has any.

    Parameters
    ----------
    n_bins : "auto" or int, default="auto"
        Number of quantile bins of a numeric column, for the cells that are no atoms. "auto" is 1 bin for each
        5000 of them, from 1 to 8. Bins end at atoms and have at least 20 rows if they can, so that there may
        be fewer or, with many atoms, more.
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Columns to encode as categories, as a mask, indices or names. Columns that are not numbers, dates or
        durations are categorical in any case.
    max_categories : "auto", int or None, default="auto"
        Largest number of codes of a categorical column, "missing" not counted; the rarest categories share
        the last one. "auto" is 1 code for each 10 rows, from 20 to 1000. None sets no limit.
    min_frequency : int, float or None, default=None
        Categories of fewer rows, or of a smaller share of the rows, share a code.
    pixels : bool, default=False
        Whether all columns are pixels of images: one code each, and ranks on one linear scale.

    Attributes
    ----------
    n_codes_ : int ndarray of shape (n_columns,)
        Number of codes of each column.
    has_missing_ : bool ndarray of shape (n_columns,)
        Which columns have a code for missing cells: the last one.
    numeric_ : bool ndarray of shape (n_columns,)
        Which columns hold numbers, dates or durations.
    detailed_ : int ndarray of shape (n_detailed,)
        Indices of the columns that have bins.
    frequencies_ : list of ndarray of shape (n_codes,)
        Share of each code in training, by weight, of each column.
    scores_ : list of float32 ndarray of shape (n_codes,)
        Of each column, the standard normal quantile of the middle rank of each code among the cells that are
        not missing; 0 for "missing" and for categories.
    rank_low_, rank_high_ : list of ndarray of shape (n_codes,)
        Of each detailed column, the interval of ranks that a code covers among the cells that are not
        missing; 0 and 1 for "missing".
    is_bin_ : list of bool ndarray of shape (n_codes,)
        Of each detailed column, which codes are bins.
    columns_ : list
        What was learnt of each column.
    template_ : table without rows
        Container, names and dtypes of the training table.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if all of them are strings.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion._encoder import TableEncoder
    >>> from skdiffusion.datasets import make_mixed_table
    >>> table = make_mixed_table(500, random_state=0)
    >>> encoder = TableEncoder().fit(table)
    >>> codes, low, high = encoder.encode(table)
    >>> encoder.decode(codes, low, np.random.default_rng(0)).equals(table)
    True
    """

    def __init__(
        self,
        *,
        n_bins="auto",
        categorical_features="from_dtype",
        max_categories="auto",
        min_frequency=None,
        pixels=False,
    ):
        self.n_bins = n_bins
        self.categorical_features = categorical_features
        self.max_categories = max_categories
        self.min_frequency = min_frequency
        self.pixels = pixels

    def fit(self, X, sample_weight=None):
        """Learn the codes of a table.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            Table of numbers, dates, durations and categories, with missing cells if you like.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in frequencies and ranks. Rows of weight 0 are left out.

        Returns
        -------
        self : TableEncoder
            The fitted encoder.

        Raises
        ------
        ValueError
            If a column holds infinite values or what is neither numbers nor categories, or if a parameter is
            out of its range.
        """
        self._check_parameters()
        table = as_table(X)
        template = empty_like(table)
        numeric = number_mask(table, self.categorical_features)
        rows = slice(None)
        weights = np.ones(len(table))
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, table, ensure_non_negative=True)
            rows = weights > 0
            if not rows.any():
                raise ValueError("sample_weight is 0 for all rows: give some of them a positive weight")
            weights = weights[rows]

        columns, pixels = [], []
        for index in range(len(numeric)):
            column = self._read(table, index, numeric[index], template)
            column = column._replace(values=column.values[rows], missing=column.missing[rows])
            if self.pixels:
                check_pixel(column, column_name(table, index), numeric[index])
                pixels.append(column)
            elif numeric[index]:
                columns.append(NumericColumn().fit(column, weights, self.n_bins))
            else:
                _warn_of_identifiers(column, column_name(table, index))
                learnt = CategoricalColumn().fit(column, weights, self.max_categories, self.min_frequency)
                columns.append(learnt)
        if self.pixels:
            check_scale(pixels)
            columns = [PixelColumn(pixels, weights)] * len(pixels)
        validate_data(self, table, skip_check_array=True)

        self.columns_, self.numeric_, self.template_ = columns, numeric, template
        self.n_codes_ = np.array([column.n_codes for column in columns])
        self.has_missing_ = np.array([column.has_missing for column in columns])
        self.detailed_ = np.flatnonzero([column.is_detailed for column in columns])
        self.frequencies_ = [column.weights / column.weights.sum() for column in columns]
        self.scores_ = [column.scores for column in columns]
        detailed = [column for column in columns if column.is_detailed]
        self.rank_low_ = [column.rank_low for column in detailed]
        self.rank_high_ = [column.rank_high for column in detailed]
        self.is_bin_ = [column.is_bin for column in detailed]
        return self

    def encode(self, X, *, unseen="error", holes=False):
        """Return the codes and ranks of a table.

        A number that training did not have gets the code of the bin it falls into, else of the nearest atom;
        beyond the training range, code and rank of the smallest or the largest value.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            Table with the columns of the training table. One whose cells are all missing may have any dtype.
        unseen : {"error", "missing", "rare"}, default="error"
            What to do with a category, or a missing cell, that training did not have. "missing" gives it the
            code -1; so does "rare", but for a category where rare ones share a code, which it then gets.
        holes : bool, default=False
            Whether a missing cell gets the code -1, rather than that of missing cells in training.

        Returns
        -------
        EncodedTable
            Codes, and ends of the intervals of ranks.

        Raises
        ------
        ValueError
            If X has other columns than the training table, or infinite values; with "error" also if it has
            unseen categories, or missing cells in a column that had none in training (without `holes`).
        """
        check_is_fitted(self)
        check_option("unseen", unseen, ("error", "missing", "rare"))
        table = as_table(X)
        validate_data(self, table, reset=False, skip_check_array=True)
        table = in_container_of(self.template_, table)
        codes = np.empty((len(table), len(self.columns_)), np.int32)
        low, high = np.full((2, len(table), len(self.detailed_)), 0.5, np.float32)
        detail = 0
        for index, learnt in enumerate(self.columns_):
            name = column_name(table, index)
            column = self._read(table, index, self.numeric_[index], self.template_)
            if self.numeric_[index]:
                codes[:, index], *interval = learnt.encode(column)
                if learnt.is_detailed:
                    low[:, detail], high[:, detail] = interval
                    low[column.missing, detail] = high[column.missing, detail] = 0.5
                    detail += 1
            else:
                codes[:, index], odd = learnt.encode(column)
                if odd and unseen == "error":
                    raise ValueError(
                        f"column {name!r} has categories that training did not have, {_few(odd)}: fit with "
                        "rows that have them, replace them, or leave those cells empty."
                    )
                if odd and unseen == "rare":
                    codes[codes[:, index] < 0, index] = learnt.shared_code
            if column.missing.any():
                if not (learnt.has_missing or holes or unseen != "error"):
                    raise ValueError(
                        f"column {name!r} has missing cells, first in row {column.missing.argmax()}, and had "
                        "none in training: fill them, or fit with rows that have some."
                    )
                is_code = learnt.has_missing and not holes
                codes[column.missing, index] = learnt.n_values if is_code else -1
        return EncodedTable(codes, low, high)

    def decode(self, codes, ranks, rng, kept=None):
        """Build a table of codes and ranks.

        Parameters
        ----------
        codes : int ndarray of shape (n_samples, n_columns)
            Codes, from 0 to `n_codes_` - 1.
        ranks : ndarray of shape (n_samples, n_detailed)
            Ranks inside the bins, in [0, 1]; unused where the code is no bin.
        rng : numpy.random.Generator, RandomState or list of Generator
            Draws a category where rare ones share a code. With a list, from `sources`, the rows of several
            calls are those of one call.
        kept : table of shape (n_samples, n_columns), default=None
            From `completed`. Cells that are not missing in it stand in the result as they are.

        Returns
        -------
        DataFrame or ndarray of shape (n_samples, n_columns)
            A table of the training table's container, names and dtypes.

        Raises
        ------
        ValueError
            If a code is out of its range, if a shape is wrong, or if the training dtype of a column does not
            hold a cell that is to be kept.
        """
        check_is_fitted(self)
        if codes.shape[1:] != (len(self.columns_),) or ranks.shape != (len(codes), len(self.detailed_)):
            raise ValueError(
                f"codes and ranks must have {len(self.columns_)} and {len(self.detailed_)} columns, "
                f"got shapes {codes.shape} and {ranks.shape}."
            )
        if len(codes) and (codes.min() < 0 or (codes.max(axis=0) >= self.n_codes_).any()):
            raise ValueError("codes must lie between 0 and n_codes_ - 1 in each column.")
        sources = rng if isinstance(rng, list) else self.sources(rng)
        columns, detail = [], 0
        for index, learnt in enumerate(self.columns_):
            if self.numeric_[index]:
                values, missing = learnt.decode(
                    codes[:, index], ranks[:, detail] if learnt.is_detailed else None
                )
                column = Column(values, missing, hole=learnt.hole)
                detail += learnt.is_detailed
            else:
                positions, missing = learnt.decode(codes[:, index], sources[index])
                column = Column(positions, missing, learnt.categories, learnt.hole)
            if kept is not None:
                given = self._read(kept, index, self.numeric_[index], self.template_)
                column = _overlaid(column, given, column_name(kept, index))
            columns.append(column)
        return assemble(columns, self.template_, row_names=getattr(kept, "index", None))

    def sources(self, rng):
        """Return a source of draws for each column, so that its first ones depend on no number of rows."""
        seeds = np.random.SeedSequence(int(rng.random() * 2**53)).spawn(len(self.columns_))
        return [np.random.default_rng(seed) for seed in seeds]

    def completed(self, X, name="X"):
        """Return a table with all columns of the training table, in their order.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_columns)
            Table. A DataFrame may leave columns out, which then have missing cells only, and may have its
            columns in any order.
        name : str, default="X"
            What errors call it.

        Returns
        -------
        table : DataFrame or ndarray of shape (n_samples, n_columns)
            The cells of X.

        Raises
        ------
        ValueError
            If X has other columns than the training table.
        """
        check_is_fitted(self)
        table = in_container_of(self.template_, as_table(X, name))
        if is_frame(table) and is_frame(self.template_):
            table = with_columns_of(self.template_, table, name)
        elif table.shape[1] != len(self.columns_):
            what = "pixels" if self.pixels else "columns"
            raise ValueError(
                f"{name} has {table.shape[1]} {what}, and rows of training have {len(self.columns_)}: give "
                "as many, and leave cells that are to be drawn empty."
            )
        validate_data(self, table, reset=False, skip_check_array=True)
        return table

    def read(self, X):
        """Return the cells of a table, column by column.

        Parameters
        ----------
        X : table of shape (n_samples, n_columns)
            From `completed`.

        Returns
        -------
        columns : list of Column
            Numbers in the units of training; categories as positions.

        Raises
        ------
        ValueError
            If X holds infinite values, or if a column cannot be read as in training.
        """
        return [self._read(X, index, numeric, self.template_) for index, numeric in enumerate(self.numeric_)]

    def __getstate__(self):
        state = super().__getstate__()
        if "template_" in state:
            state = {**state, "template_": as_plain(self.template_)}
        return state

    def __setstate__(self, state):
        if "template_" in state:
            state = {**state, "template_": from_plain(state["template_"])}
        super().__setstate__(state)

    def _check_parameters(self):
        check_unless_auto(check_integer, "n_bins", self.n_bins, low=1)
        if self.max_categories is not None:
            remedy = 'or give "auto" or None'
            check_unless_auto(check_integer, "max_categories", self.max_categories, low=1, remedy=remedy)
        if isinstance(self.min_frequency, Integral):
            check_integer("min_frequency", self.min_frequency, low=1)
        elif self.min_frequency is not None:
            check_real("min_frequency", self.min_frequency, low=0, high=1, open_low=True, open_high=True)

    def _read(self, table, index, numeric, template):
        if not numeric:
            return read_categories(table, index)
        column = read_numbers(table, index, template)
        if column.values.dtype.kind == "f" and (infinite := np.isinf(column.values)).any():
            raise ValueError(
                f"X contains infinity, first in column {column_name(table, index)!r}, "
                f"row {infinite.argmax()}; replace or clip such values first."
            )
        return column


def _overlaid(column, given, name):
    """Return a column with the cells of another in place of its own, where they are not missing."""
    rows = np.flatnonzero(~given.missing)
    values, missing = column.values.copy(), column.missing.copy()
    cells = given.values[rows]
    if column.categories is not None:
        place_of = {category: place for place, category in enumerate(column.categories)}
        places = np.array([place_of.get(category, -1) for category in given.categories] + [-1])
        values[rows] = places[cells]
    else:
        with np.errstate(invalid="ignore"):
            values[rows] = cells
        if len(changed := np.flatnonzero(values[rows] != cells)):
            raise ValueError(
                f"column {name!r} held {values.dtype} numbers in training, got {cells[changed[0]]} in row "
                f"{rows[changed[0]]}: round it, or leave the cell empty."
            )
    missing[rows] = False
    return column._replace(values=values, missing=missing)


def _few(cells):
    """List some cells, and say that there are more."""
    return ", ".join(map(repr, cells[:5])) + (f" and {len(cells) - 5} more" if len(cells) > 5 else "")


def _warn_of_identifiers(column, name):
    n_cells = len(column.values) - np.count_nonzero(column.missing)
    if n_cells <= 50 or len(column.categories) < 0.9 * n_cells or not isinstance(column.categories[0], str):
        return
    n_categories = len(np.unique(column.values[~column.missing]))
    if n_categories >= 0.9 * n_cells:
        warn(
            f"column {name!r} looks like an identifier, with {n_categories} categories in {n_cells} cells: "
            "there is nothing to learn about it, leave it out.",
            UserWarning,
            stacklevel=3,
        )
