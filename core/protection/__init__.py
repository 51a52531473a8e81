"""Data protection: how sensitive columns are, and tables without what leads to a person.

classification.py        the class of each column, recorded in the signature of a version
"""

from core.protection.classification import ClassifiedColumn, classified, classified_columns, columns_of

__all__ = ["ClassifiedColumn", "classified", "classified_columns", "columns_of"]
