"""Tables beyond memory: read and scored a part at a time on the workers of a Dask cluster, and fitted across them.

columns.py    columns as plain values, and columns of parts put together
survey.py     the kinds and forms of the columns, agreed on over all parts
rows.py       what the training keeps of all rows: target, group, time, and a sample
share.py      the rows of a fit that one worker holds
scores.py     the answers to the rows of a part
trees.py      LightGBM's trees, tuned and grown where the rows are
training.py   from the parts to a tested model
"""
