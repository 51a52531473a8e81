"""Versions that are models of language: whatever needs rows is not for them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from core.models.errors import AnswersNoRowsError
from core.plain_files import read_file
from core.registry.documents import ModelVersion
from core.registry.errors import WrongKindError
from core.registry.records import Records
from core.tables.signature import SIGNATURE_NAME, TEXT_TASK, is_of_texts

TASK = "task"
"""In the lineage of a version: what it is asked for."""


def is_language_model(version: ModelVersion) -> bool:
    """Return whether a version is a model of language, by its lineage."""
    return writes_texts(version.lineage)


def writes_texts(lineage: Mapping[str, Any]) -> bool:
    """Return whether a lineage is that of a model of language."""
    return lineage.get(TASK) == TEXT_TASK


def grammar_of(lineage: Mapping[str, Any]) -> str:
    """Return the domain whose grammar a model of language has learned alone; empty if its facts cannot be judged."""
    learned = lineage.get("parameters")
    if not isinstance(learned, Mapping) or any(learned.get(name) for name in ("corpus", "base", "teacher")):
        return ""
    return str(learned.get("domain", ""))


def with_task(lineage: Mapping[str, Any], source: Path) -> Mapping[str, Any]:
    """Return a lineage that says of the files of a model of language what they are, whoever registers them.

    Args:
        lineage: As it was given.
        source: The folder, or one file.
    """
    try:
        is_of_language = is_of_texts(read_file(source / SIGNATURE_NAME))
    except (OSError, msgspec.DecodeError):
        return lineage  # the trial of the files says what is wrong with them
    return {**lineage, TASK: TEXT_TASK} if is_of_language else lineage


def require_kind(records: Records, model: str, *, writes_texts: bool) -> None:
    """Check that a model of rows gets versions that answer rows, and a model of language versions that write texts.

    Each of the two is judged by figures of its own, so a promotion that compares both compares nothing. The live
    version decides, or else the newest; a model without versions may become either.

    Args:
        records: Of the registry.
        model: The name; it need not be known.
        writes_texts: Whether a model of language is to be registered.
    Raises:
        WrongKindError: It has versions of the other kind.
    """
    known = records.models.find(model)
    number = known.production if known is not None else None
    if number is None:
        number = next(reversed(records.numbers_of(model)), None)
    if number is not None and is_language_model(records.version(model, number)) is not writes_texts:
        raise WrongKindError(model, writes_texts=writes_texts)


def require_rows(version: ModelVersion) -> None:
    """Check that a version answers rows.

    Raises:
        AnswersNoRowsError: It is a model of language.
    """
    if is_language_model(version):
        raise AnswersNoRowsError(f"{version.model} {version.version}")
