"""Checks of any frame, made for the columns that a domain names.

completeness.py  cells that hold a value
validity.py      values a column cannot hold, and the order of dates
uniqueness.py    rows that repeat another
plausibility.py  values far from all others, and columns that say nothing
"""
