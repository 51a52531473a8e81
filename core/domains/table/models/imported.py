"""LightGBM trees trained elsewhere, as a table model that is served and evaluated like our own.

A LightGBM text describes its trees' inputs (names, ranges, levels) and output (the objective). It does not say what the
target was called, which classes there were, or what the rows were like; the caller says so, or it stays unknown.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.domains.table.models.encoding import Encoding
from core.domains.table.models.model import TableModel
from core.models.errors import ArtifactError
from core.models.learners.learner import LearningTask
from core.models.learners.lightgbm_trees import TREES, ImportedTreesLearner
from core.models.learners.linear import shares
from core.tables.signature import ColumnKind, ColumnSignature, TableSignature, Task
from core.tables.task import outputs_of

_HEADING = re.compile(r"^(\w+)=(.*)$", flags=re.MULTILINE)
_LEVELS = re.compile(r"^pandas_categorical:(.*)$", flags=re.MULTILINE)
_CLASSIFYING = ("binary", "multiclass", "multiclassova")


@dataclass(frozen=True, slots=True)
class ForeignColumn:
    """The description of a column by the model's origin.

    Attributes:
        name: The callers' name; LightGBM itself does not allow every name.
        kind: The kind of its values.
        allows_missing: Whether a row may lack it.
    """

    name: str
    kind: ColumnKind
    allows_missing: bool


def imported_trees(
    text: str, *, columns: Sequence[ForeignColumn] | None = None, target: str = "target", why: str = ""
) -> TableModel:
    """Make a table model of a foreign LightGBM text.

    Args:
        text: Written by `Booster.save_model`.
        columns: Descriptions of the columns, in order; by default all are numbers that may be missing.
        target: The name of the answer, and of the column to evaluate it against.
        why: Its origin, for its report.
    Raises:
        ArtifactError: The text is damaged or unsupported; the message says how.
    """
    try:
        return _imported(text, columns, target, why)
    except (KeyError, IndexError, ValueError, OverflowError) as error:
        raise ArtifactError(f"the trees are inconsistent: {error}") from error


def _imported(text: str, columns: Sequence[ForeignColumn] | None, target: str, why: str) -> TableModel:
    told = _HEADING.findall(text.split("\nTree=", 1)[0])
    if len(head := dict(told)) < len(told):
        raise ArtifactError("the head of the trees has a repeated entry")
    ranges = head["feature_infos"].split()
    n_columns = int(head["max_feature_idx"]) + 1
    if columns is None:
        names = head["feature_names"].split()
        columns = [ForeignColumn(name, ColumnKind.NUMBER, allows_missing=True) for name in names]
    if not len(columns) == len(ranges) == n_columns:
        raise ArtifactError(f"the trees read {n_columns} columns, but {len(columns)} are described")
    if len({column.name for column in columns}) < n_columns:
        raise ArtifactError("two of its columns have the same name")
    classes = _classes(head)
    task = Task.CLASSIFICATION if classes else Task.REGRESSION
    signature = TableSignature(
        task=task,
        target=target,
        target_kind=ColumnKind.NUMBER,
        classes=classes,
        columns=_described(columns, ranges, _levels(text)),
        outputs=outputs_of(task, target, classes),
    )
    model = TableModel.described(signature)
    learning: LearningTask = "classification" if classes else "regression"
    learner = ImportedTreesLearner(Encoding(signature.columns), learning, {}, n_classes=len(classes))
    learner.restore({}, {}, {TREES: text.encode()})
    model.take(
        learner,
        account={"why": why or "its trees were trained elsewhere", "candidates": []},
        importance=shares(tuple((name,) for name in signature.names), learner.gains()),
    )
    return model


def _classes(head: Mapping[str, str]) -> tuple[str, ...]:
    """Name the classes by number, as LightGBM does; none for a model that answers one number per row."""
    objective, *settings = head.get("objective", "one of its own").split()
    n_scores = int(head["num_tree_per_iteration"])
    if objective not in _CLASSIFYING:
        if n_scores != 1:
            raise ArtifactError(f"it answers {n_scores} numbers per row, which are not class probabilities")
        return ()
    told = dict(setting.split(":", 1) for setting in settings if ":" in setting)
    n_classes = 2 if objective == "binary" else int(told["num_class"])
    if n_scores != (1 if objective == "binary" else n_classes) or int(head["num_class"]) != n_scores:
        raise ArtifactError(f"its objective is of {n_classes} classes, but its trees are of {n_scores}")
    return tuple(map(str, range(n_classes)))


def _levels(text: str) -> list[tuple[str, ...]]:
    """Return the levels of each category of the trees' training table, in column order."""
    found = _LEVELS.search(text)
    told = json.loads(found[1]) if found else None
    return [tuple(levels) for levels in told or ()]


def _described(
    columns: Sequence[ForeignColumn], ranges: Sequence[str], levels: Sequence[tuple[str, ...]]
) -> tuple[ColumnSignature, ...]:
    """Combine the trees' and their origin's descriptions of each column."""
    categories = [position for position, told in enumerate(ranges) if told != "none" and not told.startswith("[")]
    if levels and len(categories) != len(levels):
        raise ArtifactError(f"{len(levels)} columns have levels, but the trees read {len(categories)} as categories")
    levels_at = dict(zip(categories, levels, strict=True)) if levels else {}
    found = []
    for position, (column, told) in enumerate(zip(columns, ranges, strict=True)):
        name, allows_missing = column.name, column.allows_missing
        if (known := levels_at.get(position)) is not None:
            if not all(isinstance(level, str) for level in known):
                raise ArtifactError(f"the levels of {name} are not texts")
            category = ColumnSignature(name=name, kind=ColumnKind.CATEGORY, allows_missing=allows_missing, levels=known)
            found.append(category)
            continue
        if column.kind in (ColumnKind.CATEGORY, ColumnKind.TIME):
            raise ArtifactError(f"{name} is a {column.kind}, and the trees do not say how they encode it")
        least, most = _limits(told)
        found.append(
            ColumnSignature(name=name, kind=column.kind, allows_missing=allows_missing, least=least, most=most)
        )
    return tuple(found)


def _limits(told: str) -> tuple[float | None, float | None]:
    """Read `[0:4]`; any other text means no limits."""
    if not told.startswith("["):
        return None, None
    low, high = map(float, told.strip("[]").split(":"))
    return (low if np.isfinite(low) else None), (high if np.isfinite(high) else None)
