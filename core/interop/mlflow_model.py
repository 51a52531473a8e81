"""What a model of MLflow is to us: LightGBM's own text is served, all else is kept as files. None of it is executed."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from core.errors import CoreError

if TYPE_CHECKING:
    from core.domains.table.models.model import TableModel

FOLDER = "mlflow"  # what came, as it came, within the artifact
_KINDS = {
    "double": "number",
    "float": "number",
    "long": "integer",
    "integer": "integer",
    "boolean": "flag",
    "string": "category",
    "datetime": "time",
}


class _NotServedError(CoreError):
    """The model is none that we can answer with; the sentence says why, and what would help."""


def lay_out(downloaded: Path, artifact: Path, *, target: str) -> str:
    """Lay out a downloaded model as an artifact that is ready to be registered.

    Args:
        downloaded: The folder with the file `MLmodel`.
        artifact: The folder to make.
        target: What its answer is called, and the column to judge it by.
    Returns:
        Empty if it can be served; else the sentence that says why it is only kept.
    """
    shutil.copytree(downloaded, artifact / FOLDER, symlinks=True)
    try:
        model = _served(downloaded, target)
    except CoreError as error:
        return f"Its model is kept as files, and cannot be served: {error}"
    model.save(artifact)
    report = {**model.report(), "feature_importance": model.feature_importance()}
    content = msgspec.json.format(msgspec.json.encode(report, order="deterministic"), indent=2)
    (artifact / "report.json").write_bytes(content + b"\n")
    return ""


def _served(downloaded: Path, target: str) -> "TableModel":
    from mlflow.models import Model

    from core.domains.table.models.imported import imported_trees

    theirs = Model.load(str(downloaded))  # parses YAML; loading what it describes is another call
    flavors = {name: dict(settings) for name, settings in theirs.flavors.items() if name != "python_function"}
    found = flavors.get("lightgbm")
    if found is None:
        raise _NotServedError(
            f"its flavour is {' and '.join(sorted(flavors)) or 'python_function'}; LightGBM's own text is served."
        )
    name = str(found.get("data", ""))
    if not str(found.get("model_class", "")).endswith(".Booster"):
        raise _NotServedError(
            f"{name} holds a LightGBM estimator of scikit-learn's kind; log its trees instead: "
            "mlflow.lightgbm.log_model(estimator.booster_)."
        )
    if Path(name).name != name or not (file := downloaded / name).is_file() or file.is_symlink():
        raise _NotServedError(f"MLmodel names {name!r} as its trees, which is no file beside it.")
    try:
        text = file.read_text("utf-8")
    except UnicodeDecodeError:
        raise _NotServedError(f"{name} is no text.") from None
    return imported_trees(text, columns=_columns(theirs), target=target, why="its trees came from MLflow as they are")


def _columns(theirs: Any) -> list[Any] | None:
    """Read what the signature says of the columns; None where there is none, or where it is of one unnamed tensor."""
    from mlflow.types import ColSpec

    from core.domains.table.models.imported import ForeignColumn
    from core.tables.signature import ColumnKind

    inputs = theirs.signature.inputs.inputs if theirs.signature and theirs.signature.inputs else ()
    if not inputs or not all(isinstance(spec, ColSpec) and spec.name for spec in inputs):
        return None
    columns = []
    for spec in inputs:
        kind = _KINDS.get(getattr(spec.type, "name", ""))
        if kind is None:
            raise _NotServedError(f"its column {spec.name} is of the type {spec.type}, which no table here has.")
        # A double may be NaN, which trees read as missing; other types of MLflow have no such value.
        columns.append(ForeignColumn(spec.name, ColumnKind(kind), allows_missing=kind == "number" or not spec.required))
    return columns
