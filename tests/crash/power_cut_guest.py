"""What runs inside the machine whose power is cut: a writer, and the check after the next start.

    python tests/crash/power_cut_guest.py write|write-all FOLDER SEED
    python tests/crash/power_cut_guest.py check FOLDER ACKNOWLEDGEMENTS

The writer makes changes of every durable kind and prints one line for each, after the call has returned: that is the
acknowledgement, and it leaves the machine at once. The check prints a line for each acknowledged change that is gone
and for each file that does not read.
"""

import json
import random
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from core.actor import Actor, Origin
from core.clock import utc_now
from core.governance.audit_log import AuditLog
from core.maintenance.doctor import examine
from core.quality.gate import judge
from core.registry import Registry, Stage
from core.settings.promotion import PromotionSettings
from core.state import Workspace
from core.telemetry.predictions.reader import PredictionReader
from core.telemetry.predictions.records import OutcomeRecord, PredictionRecord
from core.telemetry.predictions.writer import PredictionWriter
from core.tracking import Runs, track

ACKNOWLEDGED, READY, LOST, CHECKED = "ACK ", "READY", "LOST ", "CHECKED"
ACTOR = Actor("operator", "guest", Origin.COMMAND_LINE)
GATES = (judge("coverage", 99.0, ">=", 90.0, unit="%"),)
MOST_VERSIONS = 12  # per model: the state files stay as small as an operator's

_speaking = threading.Lock()


def say(line: str) -> None:
    """Print one whole line, from any thread."""
    with _speaking:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def acknowledge(kind: str, *words: str) -> None:
    """Tell the outside that a change is made."""
    say(ACKNOWLEDGED + json.dumps([kind, *words]))


def write(folder: Path, seed: int) -> None:
    """Change the workspace from several threads until the power is cut."""
    workspace = Workspace.create(folder / "workspace", settings_text="{}\n")
    say(READY)
    for worker in (write_versions, write_runs, write_outcomes):
        threading.Thread(target=_or_say, args=(worker, workspace, folder, seed)).start()


def _or_say(worker: Callable[[Workspace, Path, int], None], workspace: Workspace, folder: Path, seed: int) -> None:
    try:
        worker(workspace, folder, seed)
    except Exception as error:  # the outside counts a writer that ends by itself as a loss
        say(f"{LOST}{worker.__name__} ended: {type(error).__name__}: {' '.join(str(error).split())}")


def write_versions(workspace: Workspace, folder: Path, seed: int) -> None:
    """Register versions and move them to Production, until the machine dies."""
    dice, registry = random.Random(seed), Registry(workspace, promotion=PromotionSettings())
    source = folder / "source"
    source.mkdir(exist_ok=True)
    n = 0
    while True:
        n += 1
        model = f"m{seed}-{n // MOST_VERSIONS}"
        (source / "model.bin").write_bytes(dice.randbytes(dice.randrange(20_000)))
        version = registry.register(
            model, source, metrics={"attainment": 0.99}, lineage={"seed": n}, gates=GATES, actor=ACTOR
        ).version
        acknowledge("version", model, version)
        registry.set_tags(model, version, {"round": str(n)}, actor=ACTOR)
        acknowledge("tag", model, version, str(n))
        for stage in (Stage.STAGING, Stage.PRODUCTION):
            registry.apply(registry.plan_promotion(model, version, stage, actor=ACTOR), actor=ACTOR)
            acknowledge("stage", model, version, str(stage))


def write_runs(workspace: Workspace, folder: Path, seed: int) -> None:
    """Track runs to their end, until the machine dies."""
    while True:
        with track(workspace, f"run of {seed}", actor=ACTOR, parameters={"depth": 6}) as run:
            run.log_metrics({"loss": 0.5})
            acknowledge("run", run.run_id, "running")
        acknowledge("run", run.run_id, "finished")


def write_outcomes(workspace: Workspace, folder: Path, seed: int) -> None:
    """Store predictions and their outcomes, until the machine dies."""
    n = 0
    with PredictionWriter(workspace.predictions_file, commit_seconds=60.0) as writer:
        while True:
            n += 1
            name = f"{seed}-{n}"
            writer.add(PredictionRecord(name, utc_now(), "m", "1.0.0", latency_ms=1.0, value=1.0))
            writer.add_outcome(OutcomeRecord(name, utc_now(), actual=1.5))
            writer.flush()
            acknowledge("outcome", name)


def check(folder: Path, acknowledgements: Path) -> None:
    """Compare what is on the disk with what was acknowledged."""
    workspace = Workspace.open(folder / "workspace")
    AuditLog(workspace).drain()  # as the next engine does
    for finding in examine(workspace):
        say(f"{LOST}{finding.file}: {finding.problem}")
    lines = [json.loads(line) for line in acknowledgements.read_text().splitlines()]
    for kind, words in _missing(workspace, lines):
        say(f"{LOST}{kind} {' '.join(words)}")
    for result in Registry(workspace).verify():
        if not result.ok:
            say(f"{LOST}files of {result.model} {result.version}: {'; '.join(result.problems)}")
    say(CHECKED)


def _missing(workspace: Workspace, lines: list[list[str]]) -> list[tuple[str, list[str]]]:
    versions = {(version.model, version.version): version for version in Registry(workspace).versions()}
    runs = {run.run_id: run for run in Runs(workspace).all()}
    recorded = {record.object for record in AuditLog(workspace).tail(1_000_000)}
    reader = PredictionReader(workspace.predictions_file)
    latest = {(words[0], words[1]): words[2] for kind, *words in lines if kind == "stage"}

    def is_there(kind: str, words: list[str]) -> bool:
        if kind == "outcome":
            return reader.holds(words[0])
        if kind == "run":
            run = runs.get(words[0])
            return run is not None and (words[1] == "running" or str(run.status) == "finished")
        version = versions.get((words[0], words[1]))
        if version is None:
            return False
        if kind == "tag":
            return version.tags.get("round") == words[2]
        if kind == "stage" and words[2] == latest[words[0], words[1]]:
            known = [*Stage]
            return known.index(version.stage) >= known.index(Stage(words[2]))
        return True

    return [(kind, words) for kind, *words in lines if not is_there(kind, words)] + [
        ("record of", words) for kind, *words in lines if kind == "version" and f"{words[0]}/{words[1]}" not in recorded
    ]


if __name__ == "__main__":
    role, place, third = sys.argv[1:]
    if role == "check":
        check(Path(place), Path(third))
    else:
        write(Path(place), int(third))
