"""A model of two methods: a user's class with `train` and `predict`, under the interface of every model.

    class Carry:
        label = "spread_bps"
        features = ("duration", "rating")  # by default every column but the label

        def train(self, features, target): ...
        def predict(self, features): ...

`train` may also take `seed`. A session calls it once for each epoch, on one object: a class whose `train` continues
what it learned before says `continues = True`; for any other class, the last call alone counts.
"""

import inspect
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy as np
import pandas as pd
from typing_extensions import override

from core.arrays import FloatArray
from core.errors import UsageError
from core.models.errors import (
    ArtifactError,
    EmptyPanelError,
    MissingColumnsError,
    NotFittedError,
    UnknownParameterError,
)
from core.models.interface import Model, PanelLike, table_of
from core.models.own_columns import require_row_by_row, select
from core.models.persistence.archive import read_model, write_model
from core.models.persistence.own_objects import dump_own, load_own
from core.models.scores import classification_metrics, regression_metrics

TASKS = ("regression", "classification")


class OwnModelError(UsageError):
    """A method of a user's own model did not do what it must."""

    def __init__(self, model: str, problem: str) -> None:
        super().__init__(f"The model {model!r}: {problem}.")


class TwoMethodModel(Model):
    """The adapter; `adapted` makes a subclass for each class of a user."""

    kind: ClassVar[type]
    features: ClassVar[tuple[str, ...] | None] = None
    algorithms = ("auto",)

    def __init__(self, algorithm: str = "auto", parameters: Mapping[str, Any] | None = None) -> None:
        super().__init__(algorithm, parameters)
        known = list(inspect.signature(self.kind).parameters.values())
        names = [each.name for each in known]
        takes_all = any(each.kind is each.VAR_KEYWORD for each in known)
        if unknown := [] if takes_all else sorted(set(self.parameters) - set(names)):
            raise UnknownParameterError(self.name, unknown, names or ["nothing"])
        try:
            self.own = self.kind(**self.parameters)
        except Exception as error:  # the user's code: whatever it raises, there is no model
            raise OwnModelError(self.name, f"cannot be made: {type(error).__name__}: {error}") from error

    @override
    def update(self, panel: PanelLike | pd.DataFrame, *, seed: int) -> None:
        table = self._labelled(panel)
        features = table.drop(columns=self.label)
        read = self._read(features)
        if self.n_updates == 0 and self.features is not None:
            require_row_by_row(features.head(64), self.features)
        extra = {"seed": seed} if "seed" in inspect.signature(self.kind.train).parameters else {}  # type: ignore[attr-defined]
        self.own.train(read, self._target(table), **extra)
        self.n_updates += 1
        self.n_rows += len(table)

    @override
    def predict(self, frame: pd.DataFrame) -> FloatArray:
        if not self.n_updates:
            raise NotFittedError(self.name)
        features = self._read(frame.drop(columns=self.label, errors="ignore"))
        answer = np.asarray(self.own.predict(features), dtype=np.float64)
        if answer.shape != (len(frame),):
            raise OwnModelError(
                self.name, f"predict() returned the shape {answer.shape}; it must return {len(frame)} numbers"
            )
        if not np.isfinite(answer).all():
            raise OwnModelError(
                self.name, f"predict() returned {int((~np.isfinite(answer)).sum())} values without a number"
            )
        if self.task == "classification" and ((answer < 0) | (answer > 1)).any():
            raise OwnModelError(self.name, "predict() must return the probability of the event, between 0 and 1")
        return answer

    @override
    def evaluate(self, panel: PanelLike | pd.DataFrame) -> dict[str, float]:
        table = self._labelled(panel)
        actual, answer = self._target(table), self.predict(table)
        rows = np.arange(len(table))
        if self.task == "regression":
            return regression_metrics(actual, answer, rows)
        return classification_metrics(actual, np.column_stack((1.0 - answer, answer)), rows)

    @override
    def columns_read(self, known: Sequence[str]) -> tuple[str, ...]:
        """Name its features; all columns where it names none, or where one is computed from any of them."""
        if self.features is not None and set(self.features) <= set(known):
            return self.features
        return tuple(name for name in known if name != self.label)

    @override
    def feature_importance(self) -> dict[str, float]:
        own = getattr(self.own, "feature_importance", None)
        return dict(own()) if callable(own) else {}

    @override
    def report(self) -> dict[str, Any]:
        return {
            "model": self.name,
            "ships": self.kind.__name__,
            "why": "it is the only candidate",
            "features": list(self.features or ()),
            "parameters": self.parameters,
        }

    @override
    def save(self, folder: Path) -> list[Path]:
        header = {
            "model": self.name,
            "parameters": self.parameters,
            "n_updates": self.n_updates,
            "n_rows": self.n_rows,
        }
        return write_model(folder, header, dump_own(self.name, self.own))

    @classmethod
    @override
    def load(cls, folder: Path) -> Self:
        header, files = read_model(folder)
        if header.get("model") != cls.name:
            raise ArtifactError(f"{folder} contains the model {header.get('model')!r}, not {cls.name!r}")
        try:
            model = cls("auto", dict(header["parameters"]))
            model.n_updates, model.n_rows = int(header["n_updates"]), int(header["n_rows"])
        except (KeyError, TypeError, ValueError, OverflowError, UsageError) as error:
            raise ArtifactError(f"{folder} is not a saved {cls.name}: {error}") from error
        model.own = load_own(cls.name, cls.kind, files)
        return model

    def _labelled(self, panel: PanelLike | pd.DataFrame) -> pd.DataFrame:
        table = table_of(panel)
        if self.label not in table.columns:
            raise MissingColumnsError(self.name, [self.label])
        rows = table[table[self.label].notna()]
        if rows.empty:
            raise EmptyPanelError(self.name, self.label)
        return rows

    def _target(self, table: pd.DataFrame) -> FloatArray:
        try:
            found = table[self.label].to_numpy(dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise OwnModelError(self.name, f"its label {self.label} is not a column of numbers") from error
        if self.task == "classification" and not np.isin(found, (0.0, 1.0)).all():
            raise OwnModelError(self.name, f"its label {self.label} must be 0 or 1 in every row")
        return found

    def _read(self, features: pd.DataFrame) -> pd.DataFrame:
        """Return the features in a table of their own, so that the user's code cannot change the caller's."""
        if self.features is None:
            return features.copy(deep=True)
        return select(features, self.features, model=self.name).copy(deep=True)


def has_two_methods(kind: object) -> bool:
    """Whether an object is a class with `train` and `predict`."""
    return isinstance(kind, type) and all(callable(getattr(kind, name, None)) for name in ("train", "predict"))


def lacks(kind: type) -> str | None:
    """Say what a class of two methods lacks; None if it can be adapted."""
    label, features, task = (getattr(kind, name, None) for name in ("label", "features", "task"))
    if not isinstance(label, str) or not label:
        return "it lacks `label`, the name of the column that it predicts"
    if features is not None and not (_is_names(features) and label not in features):
        return f"its `features` must be a tuple of names of columns, without its label {label!r}"
    if task not in (None, *TASKS):
        return f"its `task` is {task!r}; it must be {' or '.join(TASKS)}"
    if len(_positional(kind.train)) < 3 or len(_positional(kind.predict)) < 2:  # type: ignore[attr-defined]
        return "it must have train(self, features, target) and predict(self, features)"
    if callable(getattr(kind, "save", None)) != callable(getattr(kind, "load", None)):
        return "it has only one of save(folder) and load(folder)"
    return None


@cache
def adapted(name: str, kind: type) -> type[TwoMethodModel]:
    """Return a class of two methods as a model of this name; `lacks` must have found nothing."""
    features = getattr(kind, "features", None)
    body = {
        "__doc__": kind.__doc__,
        "__module__": kind.__module__,
        "name": name,
        "kind": kind,
        "label": kind.label,  # type: ignore[attr-defined]
        "task": getattr(kind, "task", None) or "regression",
        "features": None if features is None else tuple(features),
        "continues": bool(getattr(kind, "continues", False)),
    }
    return cast("type[TwoMethodModel]", type(kind.__name__, (TwoMethodModel,), body))


def _is_names(found: object) -> bool:
    return isinstance(found, (tuple, list)) and bool(found) and all(isinstance(each, str) for each in found)


def _positional(method: Any) -> list[inspect.Parameter]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [
        each for each in inspect.signature(method).parameters.values() if each.kind in kinds and each.name != "seed"
    ]
