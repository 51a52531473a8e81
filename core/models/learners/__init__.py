"""Learners that know no domain.

learner.py              the face of every method, and its two ways to learn: go on from panel to panel, or once
algorithms.py           loads the learners behind each algorithm name (listed in core/models/algorithms.py)
samples.py              rows to learn from; feature_space.py lays out the columns of a panel
linear.py               ridge and logistic regression that go on learning; standardised_linear.py fits once
boosting.py             LightGBM that goes on learning, by leaves.py; lightgbm_trees.py holds LightGBM, and fits once
ensembles.py            the trees of scikit-learn and XGBoost; reservoir.py lets any trees go on learning
isolation_forest.py     rows that few cuts set apart, fitted once; isolation_reservoir.py goes on learning
flat_forest.py          a fitted isolation forest as plain arrays, which score without scikit-learn
"""
