"""Learners, independent of any domain.

learner.py              the interface of every method, and its two kinds: continuing from panel to panel, or fit once
algorithms.py           loads the learners behind each algorithm name (listed in core/models/algorithms.py)
samples.py              training rows; feature_space.py builds the matrices of a panel
linear.py               ridge and logistic regression that continue; standardised_linear.py fits once
boosting.py             LightGBM that continues, by leaves.py; lightgbm_trees.py wraps LightGBM, and fits once
ensembles.py            the trees of scikit-learn and XGBoost; reservoir.py lets any trees continue
isolation_forest.py     an isolation forest, fitted once; isolation_reservoir.py continues
flat_forest.py          a fitted isolation forest as plain arrays, which score without scikit-learn
"""
