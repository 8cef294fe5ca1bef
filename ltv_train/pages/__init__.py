"""Room: what the report pages say: the back-test that chose a model, and what happened to a night's promises.

One module a family of sections. Numbers in, words and pictures out. Reads: nothing. Writes: nothing.
May import: report, plots, metrics, backtest and what it is made of. No Spark, no Ray.
"""

from ltv_train.pages.evaluation import evaluation_page
from ltv_train.pages.outcome import outcome_page

__all__ = ["evaluation_page", "outcome_page"]
