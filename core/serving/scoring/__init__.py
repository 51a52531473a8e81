"""Answers in microseconds, proven against `Model.predict`.

features.py     feature spaces compiled into index arrays
one_row.py      the same for a single row, in buffers made beforehand
booster.py      LightGBM's single-row-fast call
forest.py       what the isolation forest reads
bond_fields.py  signatures of the built-in models
table_rows.py   signatures of table models, and their rows as a matrix
frames.py       rows as a table, for models that read nothing else
scorer.py       a scorer a kind of model
warming.py      from an artifact folder to a scorer that has proven itself
"""
