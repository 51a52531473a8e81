"""Scoring single rows without making a table, by the same operations and to the same figures.

fields.py    the fields of a model's requests
scorer.py    the scorer that a model offers
features.py  a feature space compiled into index arrays; one_row.py does the same without allocation
booster.py   LightGBM's trees by their single-row call
learner.py   a learner on compiled features
supervised.py  a model with a label
"""
