"""A model of any table: linear, LightGBM or histogram boosting, whichever scores best on rows held out.

The learners themselves are those of `core.models.learners`.

encoding.py   a table as the matrix of the learners
algorithms.py the learners for each task
choice.py     which learner ships, and how certain the choice is
compiled.py   single rows without a table
model.py      the model
imported.py   LightGBM trees trained elsewhere

The names load numpy and pandas when first used.
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
