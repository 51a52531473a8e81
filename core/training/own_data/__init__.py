"""Training on a user's own file: read, checked by the gates, trained, tested once, tracked and registered.

training.py    the whole way from a file to a version
part_times.py  how long each part took
evaluation.py  a version evaluated on another file
by_path.py     files made elsewhere, registered unchanged

The names load pandas and the models when first touched.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.training.own_data.by_path import register_path
    from core.training.own_data.evaluation import Evaluation, evaluate_on_file
    from core.training.own_data.training import Trained, TrainRequest, train_on_file

__all__ = ["Evaluation", "TrainRequest", "Trained", "evaluate_on_file", "register_path", "train_on_file"]

_HOME = {
    "Evaluation": "evaluation",
    "TrainRequest": "training",
    "Trained": "training",
    "evaluate_on_file": "evaluation",
    "register_path": "by_path",
    "train_on_file": "training",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
