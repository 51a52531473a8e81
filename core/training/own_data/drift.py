"""A batch in a file against the profile of a registered version."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import msgspec

from core.domains.catalogue import load_model
from core.explain.deny_list import DenyList, withholds_cells
from core.monitoring.profile_check import ProfileDrift, check_profile
from core.registry import Registry
from core.registry.contents import REPORT_NAME, importance_shares, read_object
from core.settings.policy import DriftPolicy
from core.state import Workspace
from core.tables import ReadingRules, TableSignature
from core.training.own_data.batch import read_batch
from core.training.own_data.version_choice import chosen_version
from core.training.version_profile import profile_of_version


class VersionDrift(msgspec.Struct, frozen=True, kw_only=True):
    """How far a batch, or the rows served lately, have moved away from what a version learned from."""

    model: str
    version: str
    stage: str
    report: ProfileDrift
    data_sha256: str = ""  # of the file; empty where served rows were checked
    reading: tuple[str, ...] = ()  # how the file was read, a sentence each
    since: datetime | None = None  # of served rows
    until: datetime | None = None
    n_dropped: int = 0  # rows answered in that time, but not counted


@withholds_cells
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
        profile = profile_of_version(registry, chosen.model, chosen.version)
        loaded, signature = load_model(folder), TableSignature.read(folder)
        report = read_object(folder / REPORT_NAME)
    cells = DenyList.of_cells_in_force(workspace.root)
    batch = read_batch(loaded, signature, profile, data, replace(reading or ReadingRules(), lenient=True), cells)
    shares, denied = importance_shares(report), DenyList.in_force(workspace.root)
    found = check_profile(
        profile,
        batch.frame,
        rules,
        outcomes=batch.outcomes,
        unreadable=batch.table.unreadable,
        infinite=batch.table.infinite,
        importance=shares,
        denied=denied,
    )
    if batch.note:
        found = msgspec.structs.replace(found, notes=(*found.notes, batch.note))
    return VersionDrift(
        model=chosen.model,
        version=chosen.version,
        stage=chosen.stage,
        data_sha256=batch.table.source.sha256,
        report=found,
        reading=denied.silent(batch.table.notes, map(str, batch.table.kinds)),
    )
