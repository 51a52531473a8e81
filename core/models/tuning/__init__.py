"""The search of parameters: what is tried, in which order, and which trial is best. It knows no domain and no file.

ranges.py      what a parameter may be: a list of values, or an interval
usual.py       the ranges of each algorithm where the settings name none
sampling.py    trials of a list, and random ones
bayesian.py    trials by Optuna's tree-structured Parzen estimator; only this module needs Optuna
methods.py     the sampler of each method of the settings
trial.py       one trial as a document
halving.py     which trials are not worth another fold
search.py      one search: batches of trials, scored on folds
"""
