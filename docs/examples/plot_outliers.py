"""
Which rows are odd, and why?
============================

Five rows of a table of people are spoilt, each in another way. Which does the detector find, and which cells
does it blame? Some are odd in one column. In others each cell is usual, and only their combination is not.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skdiffusion import DiffusionOutlierDetector
from skdiffusion.datasets import make_mixed_table

people = make_mixed_table(2000, random_state=0)
spoilt = {
    5: {"income": 400_000.0},  # far out
    17: {"age": 19, "savings": 150_000.0},  # rich and young
    101: {"employed": False, "job": "engineer"},  # a job without work
    333: {"education": "school", "job": "teacher"},  # without the degree
    1234: {"age": 88, "employed": True, "income": 90_000.0},  # still at work
}
for row, cells in spoilt.items():
    people.loc[row, list(cells)] = list(cells.values())

# %%
# Score
# -----
#
# The detector is fitted to the table as it is, spoilt rows included: it leaves out the fifth that lies
# farthest out, and learns from the others.

detector = DiffusionOutlierDetector(random_state=0).fit(people)
scores = pd.Series(detector.score_samples(people))
score_ranks = scores.rank().astype(int)

# %%
# Explain
# -------
#
# `explain` gives the surprise of each cell given the rest of its row, in nats. Cells that contradict each
# other are surprising both.

surprises = detector.explain(people)
print(surprises.loc[list(spoilt)].round(1).to_string(), "\n")

# %%
# Two rankings
# ------------
#
# The score weighs whole rows at many noise levels, and finds what lies far out. A single contradiction
# between categories moves it little. Surprises of one column can be compared with each other: so look, too,
# for rows with a cell that is among the most surprising of its column.

places = surprises.rank(ascending=False)
print(f"of {len(people)} rows  by score   best place of a cell in its column")
for row in spoilt:
    column = places.loc[row].idxmin()
    print(f"row {row:<8d} {score_ranks[row]:12d}. {places.loc[row, column]:12.0f}. ({column})")

figure, axis = plt.subplots(figsize=(7.5, 3.2), layout="constrained")
shown = surprises.loc[list(spoilt)]
image = axis.imshow(shown, cmap="Reds", vmin=0, vmax=12, aspect="auto")
for (row, column), value in np.ndenumerate(shown.to_numpy()):
    text = str(people.loc[shown.index[row], shown.columns[column]])
    axis.text(column, row, text, ha="center", va="center", color="white" if value > 7 else "black", size=8)
axis.set_xticks(range(shown.shape[1]), shown.columns)
axis.set_yticks(range(len(spoilt)), [f"row {row}" for row in spoilt])
figure.colorbar(image, label="surprise, nats")
plt.show()
