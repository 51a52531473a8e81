"""A model of anybody's table: linear, LightGBM or histogram boosting, whichever does better on rows held out.

The learners themselves are those of `core.models.learners`.

encoding.py   a table as the matrix that learners read
algorithms.py which learners there are for a task
choice.py     which of them ships, and how sure that is
compiled.py   single rows without a table
model.py      the model
imported.py   trees that LightGBM has learned elsewhere

The names load numpy and pandas when first touched.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.domains.table.models.model import TableModel

__all__ = ["TableModel"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.model"), name)
