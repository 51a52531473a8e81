"""Why a model answers as it does: contributions of columns to answers, exact where an exact algorithm exists.

plain_trees.py           the trees of every library in one form
leaf_games.py            exact Shapley values of trees: path-dependent, and against a background
leaf_interactions.py     exact interactions of pairs of columns; interactions.py chooses them or the H-statistic
xgboost_trees.py         the trees of XGBoost in that form
linear_terms.py          exact Shapley values of linear models on a design
shapley.py, sampling.py  Shapley values of any prediction function: all coalitions, or sampled orders
lime.py                  a line near one row, refitted over seeds
parts.py                 which algorithm explains which learner, and how an ensemble's members add up
explainer.py             the algorithm that suits a model, chosen by its type, and named
local_explanation.py     one row: contributions, nearest rows; counterfactual.py searches the smallest change
global_explanation.py    a model: importances, and by importance_figures.py how sure they are; association.py,
                         effects.py, surrogate.py
reference_parts.py       how much an explanation owes to the choice of the reference rows
comparison.py            what two versions rely on, side by side
conformal.py             intervals of answers; stored.py keeps an explanation with a version
served_sketch.py         contributions to served answers, added up; served_trend.py says how they moved, and
                         trend_moves.py whether a move is a change
prediction_function.py   any function of rows, as explainers see a model
deny_list.py             columns that must not appear; later_denied.py leaves them out of what was stored before
documents.py             what an explanation says
"""
