"""What a person asks for when a model is trained on a file; a retraining asks for the same again."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.registry import ModelVersion, Registry
from core.registry.errors import ModelNotFoundError
from core.tables import ReadingRules, Task
from core.tables.rules import manners_of

RECORDED = "request"  # its key in the lineage of a version


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """Which model to train, on which file.

    Attributes:
        model: The name to register it under.
        data: The file.
        target: The column to predict; a domain's model defaults to its own label.
        task: Regression, classification or anomaly detection; inferred by default.
        group: Rows of one group are held out together; a domain's model knows its own group.
        time: The latest rows are held out.
        rules: How the columns of the file are to be read.
        keep: Columns to learn from although they name rows.
        drop_missing_target: Leave out rows without a target.
        experiment: The experiment of the run; by default that of the settings, else the model's name.
    """

    model: str
    data: Path
    target: str | None = None
    task: Task | None = None
    group: str | None = None
    time: str | None = None
    rules: ReadingRules = field(default_factory=ReadingRules)
    keep: tuple[str, ...] = ()
    drop_missing_target: bool = False
    experiment: str = ""

    @property
    def data_name(self) -> str:
        """The name of the file or folder, also where the path ends with a dot: `.`, `..`.

        >>> TrainRequest("price", Path("/desk/day/..")).data_name
        'desk'
        """
        return os.path.basename(os.path.abspath(self.data))

    def of_the_file(self) -> dict[str, str | None]:
        """Return what was said of the file, in words, for the parameters of a run; nothing by default."""
        given = {"na": self.rules.missing, "read": self.rules.said_manners(), "keep": self.keep}
        found: dict[str, str | None] = {name: ", ".join(values) for name, values in given.items() if values}
        return found | ({"drop_missing_target": "yes"} if self.drop_missing_target else {})

    def recorded(self) -> dict[str, Any]:
        """Return what was said beyond the defaults, for the lineage of a version."""
        said = {
            "task": None if self.task is None else str(self.task),
            "group": self.group,
            "time": self.time,
            "na": list(self.rules.missing),
            "read": list(self.rules.said_manners()),
            "keep": list(self.keep),
            "drop_missing_target": self.drop_missing_target,
            "experiment": self.experiment,
        }
        return {name: value for name, value in said.items() if value}


def as_before(
    version: ModelVersion | None,
    request: TrainRequest,
    *,
    keep: Sequence[str] | None = None,
    na: Sequence[str] | None = None,
    read: Sequence[str] | None = None,
    drop_missing_target: bool | None = None,
) -> TrainRequest:
    """Ask for the same as when a version was trained, except for what is given.

    Args:
        version: The version; None if there is none, and the defaults apply.
        request: The model, the file and, if it is known, the target.
        keep: Columns to learn from although they name rows.
        na: Words and numbers that mark an empty cell.
        read: How columns are to be read, as in `--read`.
        drop_missing_target: Leave out rows without a target.
    """
    lineage: Mapping[str, Any] = version.lineage if version is not None else {}
    target = request.target or lineage.get("target")
    # What was said of another target need not hold for this one.
    said = lineage.get(RECORDED, {}) if target == lineage.get("target") else {}
    given = {"keep": keep, "na": na, "read": read, "drop_missing_target": drop_missing_target}
    said = {**said, **{name: value for name, value in given.items() if value is not None}}
    before = lineage.get(RECORDED, {}).get("experiment", "")
    return replace(as_said(said, replace(request, target=target)), experiment=request.experiment or before)


def as_said(said: Mapping[str, Any], request: TrainRequest) -> TrainRequest:
    """Return a request with what `TrainRequest.recorded` lists.

    Args:
        said: The list.
        request: The model, the file and the target.
    """
    return replace(
        request,
        task=Task(said["task"]) if "task" in said else None,
        group=said.get("group"),
        time=said.get("time"),
        rules=_rules(said),
        keep=tuple(said.get("keep", ())),
        drop_missing_target=said.get("drop_missing_target", False),
        experiment=said.get("experiment", ""),
    )


def rules_of_training(version: ModelVersion) -> ReadingRules:
    """Return how a person let the file be read that a version learned from."""
    said = version.lineage.get(RECORDED)
    return _rules(said) if isinstance(said, Mapping) else ReadingRules()


def _rules(said: Mapping[str, Any]) -> ReadingRules:
    return ReadingRules(missing=tuple(said.get("na", ())), manners=manners_of(said.get("read", ())))


def trained_before(registry: Registry, model: str, version: str) -> ModelVersion | None:
    """Find the live version of a model, else a named one; None if there is neither."""
    try:
        live = registry.production(model)
        return live or (registry.get(model, version) if version in registry.numbers(model) else None)
    except ModelNotFoundError:
        return None
