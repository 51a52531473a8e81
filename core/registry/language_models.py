"""Versions that are models of language: whatever needs rows is not for them."""

from core.models.errors import AnswersNoRowsError
from core.registry.documents import ModelVersion
from core.tables.signature import TEXT_TASK


def is_language_model(version: ModelVersion) -> bool:
    """Return whether a version is a model of language, by its lineage."""
    return version.lineage.get("task") == TEXT_TASK


def require_rows(version: ModelVersion) -> None:
    """Check that a version answers rows.

    Raises:
        AnswersNoRowsError: It is a model of language.
    """
    if is_language_model(version):
        raise AnswersNoRowsError(f"{version.model} {version.version}")
