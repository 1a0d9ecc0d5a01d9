"""The words of the quality report: what each figure asks, says and means."""

from typing import NamedTuple


class Words(NamedTuple):
    """Title, verdicts in plain words, how to read a figure, and which useless table it is judged by."""

    title: str
    good: str
    fair: str
    poor: str
    reading: str
    useless: str


RESEMBLANCE = {
    "shape_error": Words(
        "Single columns",
        "Columns are distributed as in the real table.",
        "Columns are distributed somewhat otherwise than in the real table.",
        "Columns are distributed otherwise than in the real table.",
        "Mean over columns of the Kolmogorov-Smirnov distance of numbers and the total variation distance "
        "of categories: the largest share of rows that lies on the wrong side of some number, or in the "
        "wrong category. 0 is best, 1 worst. Missing cells are left out.",
        "a table that has the median or the commonest category in every row",
    ),
    "trend_error": Words(
        "Columns that belong together",
        "Columns that depend on each other do so here, too.",
        "Columns depend on each other somewhat otherwise than in the real table.",
        "Much of how columns depend on each other is lost.",
        "Mean over pairs of columns that clearly depend on each other in the real table: half the "
        "difference of the correlations of two numbers, and the total variation distance of the tables of "
        "shares of other pairs. 0 is best, 1 worst.",
        "the real table, each column shuffled on its own",
    ),
    "trend_error_all_pairs": Words(
        "All pairs of columns",
        "Pairs of columns are as in the real table.",
        "Some pairs of columns differ from those of the real table.",
        "Pairs of columns differ from those of the real table.",
        "The same, over all pairs. Most pairs of a table have little to do with each other, so shuffled "
        "columns are not far from fresh rows.",
        "the real table, each column shuffled on its own",
    ),
    "two_sample_score": Words(
        "Told from training rows",
        "A classifier can hardly tell synthetic rows from training rows.",
        "A classifier tells some synthetic rows from training rows.",
        "A classifier tells most synthetic rows from training rows.",
        "Gradient boosting learns to tell synthetic rows from the real ones of training. 1 if it only "
        "guesses, 0 if it recognises every row. Copies of training rows score well here: see the next "
        "figure, and the privacy section.",
        "rows of which every one is recognised",
    ),
    "two_sample_score_holdout": Words(
        "Told from held-out rows",
        "A classifier can hardly tell synthetic rows from real rows that the generator never saw.",
        "A classifier tells some synthetic rows from real rows that the generator never saw.",
        "A classifier tells most synthetic rows from real rows that the generator never saw.",
        "The same against held-out rows. This is the fairer one: where it is much lower than the other, "
        "the generator follows its training rows too closely.",
        "rows of which every one is recognised",
    ),
    "alpha_precision": Words(
        "Lies where real rows lie",
        "Synthetic rows lie where real rows lie.",
        "Some synthetic rows lie where real rows are rarer or more frequent.",
        "Many synthetic rows lie where real rows do not.",
        "Alpha-precision: how far synthetic rows are from the centre of the real ones, compared with real "
        "rows. 1 is best.",
        "a table that reaches 0",
    ),
    "beta_recall": Words(
        "Reaches all real rows",
        "Synthetic rows reach all parts of the real table.",
        "Some parts of the real table are seldom reached.",
        "Large parts of the real table are not reached.",
        "Beta-recall: about the share of real rows whose nearest neighbour is a synthetic row. Fresh rows "
        "get about 0.5. Much more than 0.5 is a sign of copies, or of many equal rows in the real table.",
        "a table that reaches 0",
    ),
    "train_synthetic_test_real": Words(
        "Use for training",
        "A model learns from synthetic rows about as much as from real ones.",
        "A model learns less from synthetic rows than from real ones.",
        "A model learns little from synthetic rows.",
        "Score on held-out real rows of a model that learnt from synthetic rows: area under the ROC curve "
        "for classes, R2 for numbers. The column of fresh rows is the score of a model that learnt from "
        "the real rows.",
        "a model that learnt nothing",
    ),
}

PRIVACY = {
    "copy_ratio": Words(
        "Very close to training rows",
        "Synthetic rows come no closer to training rows than fresh rows do.",
        "More synthetic rows than chance explains are very close to a training row.",
        "Far too many synthetic rows are very close to a training row.",
        "How many times as often as held-out rows synthetic ones are very close to a training row: closer "
        "than all but 5 % of the held-out rows are. 1 is what fresh rows get. Less is no merit.",
        "a copy of the training table",
    ),
    "closest_record_share": Words(
        "Closer to training than to held-out rows",
        "Synthetic rows are as close to held-out rows as to training rows.",
        "Synthetic rows are somewhat closer to training rows than to held-out ones.",
        "Synthetic rows are clearly closer to training rows than to held-out ones.",
        "Share of synthetic rows whose nearest training row is closer than their nearest held-out row. 0.5 "
        "is what fresh rows get. A weaker test than the one before, but papers use it.",
        "a copy of the training table",
    ),
    "exact_copy_share": Words(
        "Equal to training rows",
        "Synthetic rows equal training rows no more often than fresh rows may do.",
        "Some synthetic rows equal a training row, more than chance explains.",
        "Far too many synthetic rows equal a training row.",
        "Share of synthetic rows that equal a training row in every cell. Fresh rows do so, too, where "
        "columns are few and coarse: the share of such rows is estimated from held-out rows, or from equal "
        "rows within the real table.",
        "a copy of the training table",
    ),
}

UNCLEAR = "This cannot be told: chance could give a useless table the same figure."

VERDICTS = (
    "Each figure is judged on its way from <b>fresh rows</b> to a <b>useless table</b>. The first end is "
    "what new rows of the real distribution get with bad luck: about once in {once} tables of this size "
    "where random parts of the real rows are compared, once in twenty for the other figures; the "
    "second is what a named table without use gets. Resemblance is <b>good</b> up to a tenth of the way, "
    "<b>fair</b> up to half of it, and <b>poor</b> beyond. Nearness to training rows is judged more "
    "strictly, since each copied row gives someone away: <b>good</b> if chance explains it, <b>fair</b> up "
    "to a tenth of the way to a copied table, or a hundredth for rows that are equal in every cell, "
    "<b>poor</b> beyond. The two ends are measured or computed for this table; these shares of the way are "
    "a convention. A verdict is <b>unclear</b> where chance blurs the two ends: there are too few rows, "
    "or, as in most pairs of columns, there is little to lose."
)

CHANCE = (
    "Chance of single columns, pairs and alpha-precision: the worst of {n} comparisons of two random parts "
    "of the real and held-out rows, of as many rows as the two tables have if there are enough, and at "
    "most 10,000; without held-out rows, of two halves of the real table, which leaves somewhat more to "
    "chance. Columns and pairs of their own get as much more as it takes that in nineteen of twenty tables "
    "no single one goes beyond. Chance of the other figures is computed from the numbers of rows: the "
    "Mann-Whitney test for two-sample scores, binomial shares for neighbours. Use for training is compared "
    "with the real rows' score alone."
)

NOT_PROMISED = (
    "These figures look for copies of whole rows. They are no proof of privacy. They do not say what "
    "somebody who knows a part of a row can learn of the rest, nor whether a person was in the training "
    "table; a single rare row that is given away does not show in a share of thousands. Differential "
    "privacy is a promise, and this is none."
)

CARE = (
    "This page itself shows the real table: names of categories, ends of axes and shares of rows. Whoever "
    "may not see the real table may not see this page."
)

NO_HOLDOUT = (
    "No held-out rows were given. So whether synthetic rows are too close to training rows (copy_ratio, "
    "closest_record_share), whether they can be told from unseen rows (two_sample_score_holdout), and how "
    "useful they are to learn from (train_synthetic_test_real) is not known. Keep some hundreds of real "
    "rows away from the generator, and call evaluate(real, synthetic, holdout)."
)

FEW_ROWS = "One of the tables has fewer than 300 rows: chance is large, and most differences stay hidden."

COLUMNS = (
    "Those first that differ from the real ones by most more than chance explains. The error is the one of "
    "single columns above; where the shares of missing cells differ by more, that difference is judged. "
    "Values that are repeated very often have bars of their own beside the histogram of all others, whose "
    "lowest and highest hundredth counts to the outermost bins."
)

PAIRS = (
    "Those first that differ from the real ones by most more than chance explains. The area of a box is "
    "the share of rows. Numbers grow to the right and upwards, in bins that hold equally many real rows; "
    "categories are sorted from the commonest one on, or in their order if they have one, seven and the "
    "others; missing cells come last."
)
