"""Which columns a model needs. It knows no domain and no file.

shadows.py     copies of columns that say nothing of the target
scores.py      mutual information, and the gain in trees
selection.py   the choice, repeated on folds of whole groups
"""
