"""Models from MLflow: LightGBM's own text is served, others are kept as files. Nothing in them is executed."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from core.errors import CoreError
from core.files import write_file
from core.interop.mlmodel_file import check_description
from core.plain_files import read_file

if TYPE_CHECKING:
    from core.domains.table.models.model import TableModel

FOLDER = "mlflow"  # the unchanged original, inside the artifact
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
    """The model cannot be served; the message gives the reason and the remedy."""


def lay_out(downloaded: Path, artifact: Path, *, target: str) -> str:
    """Convert a downloaded model to an artifact that can be registered.

    Args:
        downloaded: The folder with the file `MLmodel`.
        artifact: The folder to create.
        target: The name of the predicted column.
    """
    shutil.copytree(downloaded, artifact / FOLDER, symlinks=True)
    try:
        model = _served(downloaded, target)
    except CoreError as error:
        return f"Its model is kept as files, and cannot be served: {error}"
    model.save(artifact)
    report = {**model.report(), "feature_importance": model.feature_importance()}
    content = msgspec.json.format(msgspec.json.encode(report, order="deterministic"), indent=2)
    write_file(artifact / "report.json", content + b"\n", durable=False)
    return ""


def _served(downloaded: Path, target: str) -> "TableModel":
    from mlflow.models import Model

    from core.domains.table.models.imported import imported_trees

    check_description(downloaded / "MLmodel")
    theirs = Model.load(str(downloaded))  # parses YAML; loading what it describes is another call
    flavors = {name: dict(settings) for name, settings in theirs.flavors.items() if name != "python_function"}
    found = flavors.get("lightgbm")
    if found is None:
        raise _NotServedError(
            f"its flavour is {' and '.join(sorted(flavors)) or 'python_function'}; only LightGBM text is served."
        )
    name = str(found.get("data", ""))
    if not str(found.get("model_class", "")).endswith(".Booster"):
        raise _NotServedError(
            f"{name} holds a LightGBM estimator of scikit-learn's kind; log its trees instead: "
            "mlflow.lightgbm.log_model(estimator.booster_)."
        )
    if Path(name).name != name or not (file := downloaded / name).is_file() or file.is_symlink():
        raise _NotServedError(f"MLmodel names the tree file {name!r}, which does not exist beside it.")
    try:
        text = read_file(file).decode()
    except UnicodeDecodeError:
        raise _NotServedError(f"{name} is not a text file.") from None
    return imported_trees(text, columns=_columns(theirs), target=target, why="its trees came from MLflow as they are")


def _columns(theirs: Any) -> list[Any] | None:
    """Read the columns of the signature; None without a signature, or with a single unnamed tensor."""
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
            raise _NotServedError(f"its column {spec.name} has the type {spec.type}, which is not supported.")
        # A double may be NaN, which trees read as missing; other types of MLflow have no such value.
        columns.append(ForeignColumn(spec.name, ColumnKind(kind), allows_missing=kind == "number" or not spec.required))
    return columns
