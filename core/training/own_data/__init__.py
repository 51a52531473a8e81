"""Training on a user's own file: read, checked by the gates, trained, tested once, tracked and registered.

training.py    the whole way from a file to a version
request.py     what a person asks for, and the same again
evaluation.py  a version evaluated on another file
profile.py     what a version learned from, and a profile made later, of a version that has none
by_path.py     files made elsewhere, registered unchanged

The names load pandas and the models when first touched.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.training.own_data.by_path import register_path
    from core.training.own_data.evaluation import Evaluation, evaluate_on_file
    from core.training.own_data.request import TrainRequest, as_before, trained_before
    from core.training.own_data.training import Trained, TrainedArtifact, train_artifact, train_on_file

__all__ = [
    "Evaluation",
    "TrainRequest",
    "Trained",
    "TrainedArtifact",
    "as_before",
    "evaluate_on_file",
    "register_path",
    "train_artifact",
    "train_on_file",
    "trained_before",
]

_HOME = {
    "Evaluation": "evaluation",
    "TrainRequest": "request",
    "Trained": "training",
    "TrainedArtifact": "training",
    "as_before": "request",
    "evaluate_on_file": "evaluation",
    "register_path": "by_path",
    "train_artifact": "training",
    "train_on_file": "training",
    "trained_before": "request",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
