"""Are conditional draws right? P(income | education, sex) of Adult, from draws and from the training table.

A generator is trained once for each process. Education and sex are then given, and the rest of the row is
drawn, `N_DRAWS` times for each pair of which training has `MIN_ROWS` rows at least. The share of large
incomes among the draws is compared with that among the training rows; z is their difference by its standard
error, the draws' and the training rows' together, whose root mean square is 1 where there is no other error.
Run it from the repository root::

    python benchmarks/conditionals.py > benchmarks/results/conditionals.md
"""

import sys

import numpy as np
import pandas as pd
from _common import print_header, print_table
from _tables import DATA_SETS, read_data_set

from skdiffusion import DiffusionGenerator

N_DRAWS, MIN_ROWS, MAX_TIME = 2000, 100, 120


def main():
    print_header(__doc__.splitlines()[0])
    data_set = DATA_SETS["adult"]
    table = read_data_set(data_set)[0]
    table["large"] = table["income"].str.startswith(">50K")
    groups = table.groupby(["education", "sex"])["large"].agg(["size", "mean"])
    groups = groups[groups["size"] >= MIN_ROWS].reset_index()
    table = table.drop(columns="large")
    given = groups.loc[groups.index.repeat(N_DRAWS), ["education", "sex"]].reset_index(drop=True)
    shares = {}
    for process in ("masked", "gaussian"):
        generator = DiffusionGenerator(
            process=process,
            categorical_features=data_set.categorical.split(),
            max_time=MAX_TIME,
            random_state=0,
        ).fit(table)
        drawn = generator.sample(given=given, random_state=0)
        large = drawn["income"].str.startswith(">50K").to_numpy().reshape(-1, N_DRAWS)
        shares[process] = large.mean(axis=1)
        print(process, "done", file=sys.stderr, flush=True)
    rows = [
        [each["education"], each["sex"], each["size"], f"{each['mean']:.3f}"]
        + [f"{share[place]:.3f}" for share in shares.values()]
        for place, each in groups.iterrows()
    ]
    print_table(["education", "sex", "training rows", "training", *shares], rows)
    p, n = groups["mean"].to_numpy(), groups["size"].to_numpy()
    error = np.sqrt(p * (1 - p) * (1 / n + 1 / N_DRAWS))
    rows = []
    for process, share in shares.items():
        difference = share - p
        z = pd.Series(difference / error).replace([np.inf, -np.inf], np.nan)
        rows.append(
            [
                process,
                f"{np.abs(difference).mean():.4f}",
                f"{np.abs(difference).max():.4f}",
                f"{np.sqrt((z**2).mean()):.2f}",
            ]
        )
    print_table(["process", "mean difference", "largest", "root mean square of z"], rows)
    print(f"{MAX_TIME} seconds of training each; {N_DRAWS} draws for each of {len(groups)} pairs.")


if __name__ == "__main__":
    main()
