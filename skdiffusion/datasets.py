"""Small generated tables for examples and tests; nothing is downloaded."""

import numpy as np
from sklearn.utils import check_random_state

from ._checks import check_integer

__all__ = ["make_mixed_table"]


def make_mixed_table(n_samples=500, *, random_state=None):
    """Generate a table of people with columns of every kind, which depend on each other.

    Parameters
    ----------
    n_samples : int, default=500
        Number of rows, at least 1.
    random_state : int, RandomState instance or None, default=None
        Source of the draws. Pass an int for the same table on each call.

    Returns
    -------
    pandas.DataFrame of shape (n_samples, 7)
        The columns:

        - "age": whole years, from 18 to 90.
        - "income": a positive amount to the cent, with a long right tail, that grows with age and education.
          About 8 % are missing.
        - "savings": 0 for about 40 % of the rows, else an amount that grows with income.
        - "education": an ordered category, "school" < "college" < "university". Higher where people are
          younger.
        - "region": an unordered category of 4 unequal parts, one of them rare.
        - "employed": bool. More frequent below the age of 65.
        - "job": strings, which depend on education. Missing where not employed.

    Raises
    ------
    ImportError
        If pandas is not installed.
    ValueError
        If `n_samples` is not an integer of at least 1.

    Examples
    --------
    >>> from skdiffusion.datasets import make_mixed_table
    >>> table = make_mixed_table(500, random_state=0)
    >>> table.shape
    (500, 7)
    >>> table["education"].dtype.categories.tolist()
    ['school', 'college', 'university']
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("make_mixed_table needs pandas: install it with `pip install pandas`") from error
    check_integer("n_samples", n_samples, low=1)

    rng = check_random_state(random_state)
    age = np.clip(18 + rng.gamma(4.0, 7.0, n_samples), 18, 90).astype(int)
    education = np.clip(rng.normal(1.4 - age / 60, 0.8, n_samples).round(), 0, 2).astype(int)
    region = rng.choice(4, size=n_samples, p=[0.5, 0.3, 0.17, 0.03])
    employed = rng.random_sample(n_samples) < np.where(age < 65, 0.85, 0.15)

    log_income = 9.7 + 0.35 * education + 0.01 * age + 0.5 * employed + 0.1 * region
    income = np.exp(rng.normal(log_income, 0.4)).round(2)
    saves = rng.random_sample(n_samples) < 1 / (1 + np.exp(10.5 - log_income))
    savings = np.where(saves, (income * rng.gamma(2.0, 0.5, n_samples)).round(2), 0.0)

    jobs = np.array(
        [["builder", "driver", "clerk"], ["clerk", "nurse", "driver"], ["teacher", "engineer", "nurse"]]
    )
    job = jobs[education, rng.choice(3, size=n_samples, p=[0.5, 0.3, 0.2])].astype(object)
    job[~employed] = None
    income[rng.random_sample(n_samples) < 0.08] = np.nan

    levels, regions = ["school", "college", "university"], ["north", "south", "east", "islands"]
    return pd.DataFrame(
        {
            "age": age,
            "income": income,
            "savings": savings,
            "education": pd.Categorical.from_codes(education, levels, ordered=True),
            "region": pd.Categorical.from_codes(region, regions),
            "employed": employed,
            "job": job,
        }
    )
