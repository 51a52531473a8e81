"""The folder of a retraining: its rows, its trained model, and the result of each step that computes."""

from pathlib import Path
from typing import Any, Literal

import msgspec

from core.files import remove_file, remove_tree, write_file
from core.json_documents import decode_json
from core.plain_files import read_file
from core.quality.gate import GateResult
from core.registry import ModelVersion
from core.retraining.document import Retraining, StepName
from core.state import Workspace

MODEL_FOLDER = "model"
CARD = "card.json"
PROGRESS = "progress.json"
LEARN, NEWEST, COMMAND_OUTPUT = "learn.parquet", "newest.parquet", "command.parquet"
COLLECTED_FILES = (LEARN, NEWEST, COMMAND_OUTPUT)
INTACT = "{} is intact and can be restored"
LEARNED_UNTIL = "learned_until"  # the time of the newest row that a version learned from


class StepResult(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What became of one step."""

    outcome: Literal["done", "stopped", "failed"]
    reason: str
    evidence: dict[str, Any] = {}
    run_id: str = ""
    seconds: float = 0.0
    peak_memory_mb: int = 0


class StepProgress(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which part of a step has begun."""

    step: StepName
    part: str


class Card(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the registration of a trained folder says."""

    metrics: dict[str, float]
    lineage: dict[str, Any]
    gates: tuple[GateResult, ...]
    description: str
    run_id: str
    folder: str = MODEL_FOLDER  # of the model's files, in the folder of the retraining


def origin_of(retraining: Retraining) -> dict[str, str]:
    """Return what the lineage of a version says of the retraining that made it, and until when its rows are from."""
    collected = retraining.observed.step(StepName.COLLECT).evidence
    until = {LEARNED_UNTIL: str(collected[LEARNED_UNTIL])} if LEARNED_UNTIL in collected else {}
    return {"id": retraining.retraining_id, "trigger": str(retraining.trigger), **until}


def way_back(live: ModelVersion) -> dict[str, Any]:
    """Return what a restoration brings back: no later change of these files goes unnoticed."""
    return {"version": live.version, "stage": str(live.stage), "manifest_sha256": live.manifest_sha256}


def folder_of(workspace: Workspace, retraining_id: str) -> Path:
    """Return the folder of a retraining."""
    return workspace.datasets_dir / "retraining" / retraining_id


def read_card(folder: Path) -> Card:
    """Read what a trained folder says of itself.

    Raises:
        OSError, msgspec.DecodeError: It is not there, or damaged.
    """
    return decode_json(read_file(folder / CARD), type=Card)


def write_result(workspace: Workspace, retraining_id: str, step: StepName, result: StepResult) -> None:
    """Leave the result of a step: whole, or not at all."""
    write_file(_file(workspace, retraining_id, step), msgspec.json.encode(result))


def read_result(workspace: Workspace, retraining_id: str, step: StepName) -> StepResult | None:
    """Return the result of a step; None if there is none, or none that can be read."""
    try:
        return decode_json(read_file(_file(workspace, retraining_id, step)), type=StepResult)
    except (OSError, msgspec.DecodeError):
        return None


def forget_result(workspace: Workspace, retraining_id: str, step: StepName) -> None:
    """Remove the result of a step, so that it is performed again."""
    remove_file(_file(workspace, retraining_id, step))


def remove_folder(workspace: Workspace, retraining_id: str) -> None:
    """Remove all that a retraining left on the disk; its document stays."""
    folder = folder_of(workspace, retraining_id)
    if folder.exists():
        remove_tree(folder, root=workspace.datasets_dir)


def write_progress(workspace: Workspace, retraining_id: str, step: StepName, part: str) -> None:
    """Leave which part of a step has begun, for people."""
    content = msgspec.json.encode(StepProgress(step=step, part=part))
    write_file(folder_of(workspace, retraining_id) / PROGRESS, content, durable=False)


def read_progress(workspace: Workspace, retraining_id: str, step: StepName) -> str:
    """Return which part of a step has begun; empty if nothing is known of it."""
    try:
        found = decode_json(read_file(folder_of(workspace, retraining_id) / PROGRESS), type=StepProgress)
    except (OSError, msgspec.DecodeError):
        return ""
    return found.part if found.step is step else ""


def _file(workspace: Workspace, retraining_id: str, step: StepName) -> Path:
    return folder_of(workspace, retraining_id) / f"{step}.json"
