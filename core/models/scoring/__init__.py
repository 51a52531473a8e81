"""Answering single rows without making a table of them, in the same operations and to the same figures.

fields.py    what a model wants to be asked with
scorer.py    what a model offers for it
features.py  a feature space compiled into index arrays; one_row.py is the same with nothing allocated
booster.py   LightGBM's trees by their single-row call
learner.py   a learner on compiled features
supervised.py  a model with a label
"""
