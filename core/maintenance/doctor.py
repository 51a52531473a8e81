"""Find what is damaged in a workspace, and say what cures it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from core.errors import CoreError
from core.governance.audit_log import AuditLog
from core.governance.head import DATABASE as AUDIT_DATABASE
from core.state.errors import DamagedFileError
from core.state.generation import good_generation, load, previous_of
from core.state.workspace import Workspace
from core.telemetry import TelemetryError, check

_LOW_SPACE_BYTES = 64 * 2**20


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something in the workspace that is not as it should be."""

    file: str
    problem: str
    cure: str


def examine(workspace: Workspace) -> list[Finding]:
    """Look at everything the workspace keeps, changing nothing.

    State files are read whole and the audit chain is verified; the telemetry is checked page by page. Artifacts are
    verified by the registry.

    Returns:
        What is wrong and what cures it; empty when all is well.
    """
    return [
        *_examine_disk(workspace),
        *_examine_state(workspace),
        *_examine_audit(workspace),
        *_examine_telemetry(workspace),
    ]


def _examine_disk(workspace: Workspace) -> Iterator[Finding]:
    free = shutil.disk_usage(workspace.root).free
    if free < _LOW_SPACE_BYTES:
        yield Finding(
            file=str(workspace.root),
            problem=f"only {free / 2**20:.0f} MiB are free on its disk",
            cure="free some space: with none left, every change is refused",
        )
    if not os.access(workspace.state_dir, os.W_OK | os.X_OK):
        yield Finding(
            file=str(workspace.state_dir),
            problem="it may not be written by this account",
            cure="work as the account that owns the workspace, or have the folder's permissions changed",
        )


def _examine_state(workspace: Workspace) -> Iterator[Finding]:
    for path in state_files(workspace):
        previous = previous_of(path)
        try:
            load(path)
        except DamagedFileError as error:
            cure = f"no earlier generation is readable: put a backup in its place, or move it and {previous.name} aside"
            if error.good_generation is not None:
                cure = f"bondx doctor --restore {path.name} goes back to {previous.name}, which is good"
            yield Finding(file=str(path), problem=error.damage, cure=cure)
        except CoreError as error:
            yield Finding(file=str(path), problem=str(error), cure="have its permissions, or the disk, looked at")
        else:
            if previous.exists() and good_generation(path) is None:
                yield Finding(
                    file=str(previous),
                    problem="the generation kept for restoring is damaged",
                    cure=f"nothing to do: {path.name} is whole, and its next change replaces this; check the disk",
                )


def _examine_audit(workspace: Workspace) -> Iterator[Finding]:
    if not any(workspace.audit_dir.iterdir()) and not workspace.state_file(AUDIT_DATABASE).exists():
        return  # nothing was ever recorded
    try:
        verdict = AuditLog(workspace).verify()
    except DamagedFileError:
        return  # a state file that holds records not yet written there; it has been named, with its cure
    except (CoreError, OSError) as error:
        problem = str(error)
    else:
        if verdict.ok:
            return
        problem = verdict.reason
    yield Finding(
        file=str(workspace.audit_file),
        problem=problem,
        cure="keep the folder as it is and find out who changed it; `bondx audit verify` names the first bad record",
    )


def _examine_telemetry(workspace: Workspace) -> Iterator[Finding]:
    for path, stop, what in (
        (workspace.telemetry_file, "the engine", "saves what can be read"),
        (workspace.predictions_file, "the servers", "puts it aside, and they begin a new one"),
        (workspace.past_file, "the engine", "puts it aside, and it begins a new one"),
    ):
        try:
            problem = check(path)
        except TelemetryError as error:
            problem = str(error)
        if problem is not None:
            cure = f"stop {stop}, then bondx doctor --restore {path.name} {what}"
            yield Finding(file=str(path), problem=problem, cure=cure)


def state_files(workspace: Workspace) -> list[Path]:
    """List the state files, including those of which only the previous generation is left."""
    present = set(workspace.state_dir.glob("*.json"))
    missing = {path.with_suffix("") for path in workspace.state_dir.glob("*.json.prev")}
    return sorted(present | missing)
