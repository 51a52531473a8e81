"""What a version answers, by which the outcomes of its predictions are judged."""

from core.losses import AnswerForm, AnswerKind
from core.registry import ModelVersion
from core.state import Workspace
from core.tables.signature import TableSignature, Task
from core.telemetry.predictions import PredictionReader

_EVENT = ("0", "1")

_KINDS = {
    Task.REGRESSION: AnswerKind.NUMBER,
    Task.CLASSIFICATION: AnswerKind.PROBABILITIES,
    Task.ANOMALY: AnswerKind.SCORE,
}
_OF_MODELS = {
    "regression": AnswerForm(AnswerKind.NUMBER),
    "classification": AnswerForm(AnswerKind.PROBABILITIES, _EVENT),
    "detection": AnswerForm(AnswerKind.SCORE),
}


def form_of_signature(signature: TableSignature) -> AnswerForm:
    """Return what the model of a signature answers."""
    return AnswerForm(_KINDS[signature.task], signature.classes)


def form_of_model(task: str) -> AnswerForm:
    """Return what a model without a signature answers: a classification is the probability of an event."""
    return _OF_MODELS.get(task, AnswerForm())


def form_of_version(workspace: Workspace, reader: PredictionReader, version: ModelVersion) -> AnswerForm:
    """Return what a version answers, without loading it: by its signature, else by its recorded predictions.

    Returns:
        An unknown form where neither says it.

    Raises:
        TableError: Its signature cannot be read.
        TelemetryError: The predictions cannot be read.
    """
    signature = TableSignature.read(workspace.artifacts_dir / version.path)
    return reader.form(version.model, version.version) if signature is None else form_of_signature(signature)
