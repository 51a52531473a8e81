"""A batch in a file against the profile of a registered version."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from core.domains.catalogue import file_domains, load_model
from core.errors import CoreError
from core.escape import spelled_out
from core.models import Model
from core.models.outcomes import Outcomes, outcomes_of
from core.monitoring.data_profile import DataProfile
from core.monitoring.drift_check import kinds_to_read
from core.monitoring.profile_check import ProfileDrift, check_profile
from core.registry import Registry
from core.registry.contents import REPORT_NAME, importances, read_object
from core.settings.policy import DriftPolicy
from core.state import Workspace
from core.tables import ReadingRules, Table, TableError, TableSignature, read_table
from core.training.own_data.evaluation import chosen_version


class VersionDrift(msgspec.Struct, frozen=True, kw_only=True):
    """How far a batch has moved away from what a version learned from."""

    model: str
    version: str
    stage: str
    data_sha256: str
    report: ProfileDrift
    reading: tuple[str, ...] = ()  # how the file was read, a sentence each


class _Batch(msgspec.Struct, frozen=True):
    """The rows of a file, and the answers to them."""

    table: Table
    frame: pd.DataFrame
    outcomes: Outcomes | None
    note: str = ""


def check_version(
    workspace: Workspace,
    model: str,
    data: Path,
    rules: DriftPolicy,
    *,
    version: str | None = None,
    reading: ReadingRules | None = None,
) -> VersionDrift:
    """Check a file against the profile of a version.

    Args:
        workspace: Where the version is registered.
        model: Its model.
        data: The file; its columns are read as those of the training data. It may have the target.
        rules: The PSI that matters, by kind.
        version: Its number; by default the live version, else the newest.
        reading: How columns are to be read, beyond what the signature says.
    Raises:
        NotFoundError: There is no such model or version.
        ProfileError: The version has no profile, or none that can be read.
        TableError: The file cannot be used.
        HashMismatchError: The version's files differ from the registered files.
    """
    registry = Registry(workspace)
    chosen = chosen_version(registry, model, version, None)
    with registry.opened(chosen.model, chosen.version) as folder:
        profile = DataProfile.read(folder, chosen.key)
        loaded, signature = load_model(folder), TableSignature.read(folder)
        report = read_object(folder / REPORT_NAME)
    batch = _read(loaded, signature, profile, data, replace(reading or ReadingRules(), lenient=True))
    shares = {str(name): float(share) for name, share in importances(report).items() if isinstance(share, int | float)}
    found = check_profile(
        profile,
        batch.frame,
        rules,
        outcomes=batch.outcomes,
        unreadable=batch.table.unreadable,
        infinite=batch.table.infinite,
        importance=shares,
    )
    if batch.note:
        found = msgspec.structs.replace(found, notes=(*found.notes, batch.note))
    return VersionDrift(
        model=chosen.model,
        version=chosen.version,
        stage=chosen.stage,
        data_sha256=batch.table.source.sha256,
        report=found,
        reading=batch.table.notes,
    )


def _read(
    model: Model, signature: TableSignature | None, profile: DataProfile, data: Path, rules: ReadingRules
) -> _Batch:
    """Read the file in the layout of the model, and answer its rows; a file that lacks columns is compared, too."""
    lacks: TableError | None = None
    try:
        prepared = (domain.to_judge(model, signature, data, rules, needs_target=False) for domain in file_domains())
        found = next(filter(None, prepared), None)
    except TableError as error:
        found, lacks = None, error
    if found is not None:
        outcomes, note = _answers(found.model, found.frame, profile)
        return _Batch(found.table, found.frame, outcomes, note)
    kinds = kinds_to_read({column.name: column.kind for column in profile.data_columns})
    table = read_table(data, rules=replace(rules, kinds=kinds))
    if lacks is not None:
        return _Batch(table, table.frame, None, f"the rows cannot be answered: {lacks}")
    outcomes, note = _answers(model, table.frame, profile)
    return _Batch(table, table.frame, outcomes, note)


def _answers(model: Any, frame: pd.DataFrame, profile: DataProfile) -> tuple[Outcomes | None, str]:
    lost = [column.name for column in profile.features if column.name not in frame]
    if lost:
        return None, f"the rows cannot be answered without {spelled_out(', '.join(lost[:5]))}"
    try:
        return (model.outcomes(frame) if hasattr(model, "outcomes") else outcomes_of(model, frame)), ""
    except (CoreError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        return None, f"the rows cannot be answered: {spelled_out(str(error))}"
