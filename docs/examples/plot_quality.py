"""
Did the generator learn the table?
==================================

Three looks at a fitted generator: did its training come to an end, do single columns have the right
distribution, and do columns depend on each other as they should? The last one is hard to see by eye: a
two-sample score tells whether a classifier finds a difference.
"""

import matplotlib.pyplot as plt

from skdiffusion import DiffusionGenerator
from skdiffusion.datasets import make_mixed_table
from skdiffusion.metrics import evaluate
from skdiffusion.plotting import DependenceDisplay, MarginalsDisplay, TrainingDisplay

table, holdout = make_mixed_table(1000, random_state=0), make_mixed_table(1000, random_state=1)
generator = DiffusionGenerator(hidden_layer_sizes=(64,), epochs=20, random_state=0).fit(table)

# %%
# The training
# ------------
#
# Losses are minus log-likelihoods, in nats a row; the held-out one is that of averaged weights. The rate
# falls at the end. A gap to the training loss that grows means rows learnt by heart.

display = TrainingDisplay.from_estimator(generator)
print(f"held-out loss: {generator.history_['val_loss'][0]:.2f} at first", end="")
print(f", {generator.history_['val_loss'][-1]:.2f} at last")

# %%
# Single columns
# --------------
#
# The worst come first. Missing cells and zeros are generated like other values.

display = MarginalsDisplay.from_estimator(generator, table, random_state=0)

# %%
# Pairs of columns
# ----------------
#
# Correlations of numbers, Cramér's V where a category takes part. The difference has a scale of its own.

display = DependenceDisplay.from_estimator(generator, table, random_state=0)
plt.show()

# %%
# Figures
# -------
#
# Each metric is judged between what fresh real rows get with bad luck and what a useless table gets.
# ``evaluation.to_html("quality_report.html")`` writes a page with pictures of the worst columns and pairs.

evaluation = evaluate(table, generator.sample(1000, random_state=0), holdout, random_state=0)
print(evaluation)
