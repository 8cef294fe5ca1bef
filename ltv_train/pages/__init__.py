"""Room: what the report pages say: the back-test that chose a model, what happened to a night's promises, what came in.

One module a page, and one a family of sections. Numbers in, words and pictures out. Reads: nothing. Writes: nothing.
May import: report, plots, metrics, backtest and what it is made of. No Spark, no Ray.
"""
