"""Checks of any frame, made for the columns that a domain names.

completeness.py  cells that hold a value
validity.py      impossible values, unknown levels, columns of the wrong kind, and the order of dates
uniqueness.py    rows that repeat another
plausibility.py  outliers, constant columns, and columns in another unit
"""
