"""Data protection: how sensitive columns are, and tables without what leads to a person.

classification.py        the class of each column, recorded in the signature of a version
pseudonyms.py, noise.py  what the key makes of values; keys.py: where it is
generalising.py          values made coarser, step by step
k_anonymity.py           classes of rows that agree, and the steps until each is large enough
masking.py               personal values as they are shown
anonymising.py           what is done to each column of a table, and the table that comes of it
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from core.protection.classification import ClassifiedColumn, classified, classified_columns, columns_of
from core.protection.errors import AnonymisingError

if TYPE_CHECKING:
    from core.protection.anonymising import (
        AnonymisedTable,
        AnonymisingRequest,
        ReachedAnonymity,
        TreatedColumn,
        anonymise,
    )
    from core.protection.keys import key_of
    from core.protection.masking import Masking

__all__ = [
    "AnonymisedTable",
    "AnonymisingError",
    "AnonymisingRequest",
    "ClassifiedColumn",
    "Masking",
    "ReachedAnonymity",
    "TreatedColumn",
    "anonymise",
    "classified",
    "classified_columns",
    "columns_of",
    "key_of",
]

_HOMES = {
    "AnonymisedTable": "anonymising",
    "AnonymisingRequest": "anonymising",
    "Masking": "masking",
    "ReachedAnonymity": "anonymising",
    "TreatedColumn": "anonymising",
    "anonymise": "anonymising",
    "key_of": "keys",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
