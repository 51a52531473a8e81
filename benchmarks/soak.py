"""Everything at once for minutes: training, canaries, traffic, promotions, kills, a console and `status --watch`.

    python benchmarks/soak.py [--minutes 10 | --hours H | --rounds N] [--folder DIR] [--picture soak.svg]

Every round registers a version, promotes it to Staging, lets it answer beside the live version, then promotes or aborts
it, and records a tracked run. Every tenth round prunes versions, runs and ended rollouts, as an operator with retention
does. Meanwhile a session trains without end, a client sends predictions, somebody reads a console, and a script follows
the status. In the first half of the time, engine and server are killed in turn. All that was acknowledged is written
into a journal outside the workspace, and compared with the workspace at the end. The curves of the second half are
judged: memory, CPU, descriptors, children, zombies and disk. Exit code 1 if anything was lost.

A verdict by the hour is "growing", "filling" (it has grown, and at its end by less than half of its mean growth),
"flat" or "falling". The growth is printed with each of them. These grow by design, up to their limits:
- the state files, until one is larger than 1 MiB and the engine archives its older documents (`ARCHIVE_ABOVE_BYTES`);
  every process holds them as bytes, and of what it reads the fields that lists show;
- the samples of the last ten minutes (`HISTORY_SECONDS`) and 300 audit records, in whatever takes snapshots;
- the recorded series that rules look at, for nine minutes most of them, in an engine;
- SQLite's pages, up to 512 KiB for each store that a process writes, 1 MiB for predictions (16 MiB above
  200 a second);
- the newest 512 epochs and the courses of the session that a console follows;
- the disk, with predictions and epochs, until the retention of each store.
So ten minutes are the least that says something, and the second half of thirty is after these limits. A second table
judges the memory by rounds: what a process keeps of each change, however long the changes took. It is "as budgeted" if
all of the interval is within the budget of docs/architecture.md, and "growing" if none of it is. The budget includes
"filling": windows of the last minutes (`WINDOWS`) that were not full yet, since a process had started only before. "own
memory" is memory without the pages of mapped files.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

from bench_serving import MODEL, free_port, prepare
from soak_curves import Curves, Slope
from terminal_meter import Program

from core.actor import Actor, Origin
from core.errors import CoreError
from core.governance import AuditLog
from core.maintenance.doctor import examine
from core.maintenance.pruning import Pruning
from core.registry import Registry, Stage
from core.rollout.rollouts import Rollouts
from core.settings.retention import RetentionSettings
from core.state import Workspace
from core.telemetry.predictions import PredictionReader
from core.tracking import Runs, RunStatus

BONDX = str(Path(sys.executable).with_name("bondx"))
OPERATOR = Actor("soak", "localhost", Origin.COMMAND_LINE)
ENDLESS = "dataset_size: 300\nmax_epochs: 100000\npatience: 100000\n"
KEYS = (b"1", b"2", b"j", b"3", b"j", b"5", b"7", b"9", b"j")
PATIENCE_SECONDS = 120
PRUNE_EVERY = 10
RETENTION = RetentionSettings(runs=20, versions=True, rollouts=20)
"""Small enough to be reached before the judged part of a soak begins."""
RECORDED_WITHIN = 3.0
"""Seconds in which a server promises to have stored an answered prediction; a kill may lose the newest."""


class Journal:
    """What was acknowledged, one line each, where the workspace cannot lose it."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("a")
        self._lock = threading.Lock()
        self.versions: list[tuple[str, str]] = []
        self.live: list[str] = []
        self.runs: list[str] = []
        self.predictions: list[tuple[float, str]] = []
        self.server_kills: list[float] = []
        self.pruned: list[str] = []

    def note(self, kind: str, value: object, *, into: list[Any]) -> None:
        """Write one fact."""
        with self._lock:
            into.append(value)
            self._file.write(json.dumps({"kind": kind, "value": value}) + "\n")
            self._file.flush()


class Soak:
    """The processes of one soak, and its rounds."""

    def __init__(
        self, folder: Path, patience: float = PATIENCE_SECONDS, recorded_within: float = RECORDED_WITHIN
    ) -> None:
        self._patience, self._recorded_within = patience, recorded_within
        self.workspace, self._row = prepare(folder, "lightgbm")
        self._gates = Registry(self.workspace).get(MODEL, "1.0.0").gates
        self._folder, self._port = folder, free_port()
        (folder / "endless.yaml").write_text(ENDLESS)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._console = Program([BONDX, "--workspace", str(self.workspace.root), "--read-only"])
        self.curves, self.journal = Curves(), Journal(folder / "journal.jsonl")
        self._over, self._n_sent, self.n_rounds, self.n_refused = threading.Event(), 0, 0, 0
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._ask, self._read, self._measure)]
        self._serve = ["serve", "--listen", f"127.0.0.1:{self._port}"]
        self._train = ["run", "--headless", "--stay", "--config", str(folder / "endless.yaml")]

    def begin(self) -> None:
        """Start every process, and wait until an epoch has ended and a prediction was answered."""
        self._start("engine", self._train)
        self._start("server", self._serve)
        self._start("status", ["status", "--watch"])
        for thread in self._threads:
            thread.start()
        self.until(lambda: self._epoch() > 0, "the first epoch")
        self.until(lambda: bool(self.journal.predictions), "the first answer")

    def round(self, *, kills: bool) -> None:
        """Make one change of every kind, and kill one process."""
        self.n_rounds += 1
        self.curves.rounds.append(self.curves.seconds())
        version = self._registered()
        self._rolled_out(version, promotes=self.n_rounds % 2 == 0)
        self._tracked()
        if self.n_rounds % PRUNE_EVERY == 0:
            self._prune()
        if kills:
            name, arguments = (("engine", self._train), ("server", self._serve))[self.n_rounds % 2]
            self._kill(name, arguments)
        epoch, answers = self._epoch(), len(self.journal.predictions)
        self.until(lambda: self._epoch() > epoch, "another epoch")
        self.until(lambda: len(self.journal.predictions) > answers, "another answer")

    def end(self) -> None:
        """Stop every process in order."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        time.sleep(RECORDED_WITHIN)
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(self._patience)
            process.kill()
            process.wait()
        self._console.end()

    def losses(self) -> list[str]:
        """Compare the journal with the workspace, and name all that is missing."""
        workspace = Workspace.open(self.workspace.root)
        registry, runs = Registry(workspace), Runs(workspace)
        reader = PredictionReader(workspace.predictions_file)
        pruned = set(self.journal.pruned)
        kept = [key for key, _ in self.journal.versions if f"versions:{key}" not in pruned]
        lost = [f"version {key} is missing" for key in kept if not _has(registry, key)]
        lost += [f"version {key} has no tombstone" for key in _unburied(registry, pruned)]
        history = {(move.version, move.to_stage) for move in registry.history(MODEL)}
        lost += [
            f"the move of {v} to Production is missing"
            for v in self.journal.live
            if (v, Stage.PRODUCTION) not in history
        ]
        known = {run.run_id: run for run in runs.all()}
        tracked = [name for name in self.journal.runs if f"runs:{name}" not in pruned]
        lost += [f"run {name} is not finished" for name in tracked if not _finished(known.get(name))]
        safe = [name for at, name in self.journal.predictions if not self._is_fresh(at)]
        lost += [f"prediction {name} is missing" for name in safe if not reader.holds(name)]
        verdict = AuditLog(workspace).verify()
        lost += [] if verdict.ok else [f"audit: {verdict.reason}"]
        return lost + [str(finding) for finding in examine(workspace)]

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for an event."""
        end = time.monotonic() + self._patience
        while not holds():
            if time.monotonic() > end:
                raise TimeoutError(f"{what} did not come in {self._patience:g} s")
            time.sleep(0.05)

    def _is_fresh(self, at: float) -> bool:
        """Whether the server was killed before it had promised to have stored an answer, read just before or after."""
        return any(-1.0 < kill - at < self._recorded_within for kill in self.journal.server_kills)

    def _start(self, name: str, arguments: list[str]) -> None:
        command = [BONDX, "--workspace", str(self.workspace.root), *arguments]
        with (self._folder / f"{name}.out").open("ab") as out:
            self._processes[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def _kill(self, name: str, arguments: list[str]) -> None:
        if name == "server":
            self.journal.note("kill", time.monotonic(), into=self.journal.server_kills)
        self._processes[name].kill()
        self._processes[name].wait()
        self.curves.mark(f"kill -9 of the {name}")
        self._start(name, arguments)

    def _epoch(self) -> int:
        from core.training.sessions import Sessions

        return max((session.observed.epoch for session in Sessions(self.workspace).all()), default=0)

    def _registered(self) -> str:
        registry = Registry(self.workspace)
        version = registry.register(
            MODEL, _copied(self._folder / "trained", self._folder / "next"), metrics={"attainment": 0.9},
            lineage={"seed": self.n_rounds}, gates=self._gates, actor=OPERATOR,
        )  # fmt: skip
        self.journal.note("version", (version.key, version.manifest_sha256), into=self.journal.versions)
        registry.apply(registry.plan_promotion(MODEL, version.version), actor=OPERATOR)
        return version.version

    def _rolled_out(self, version: str, *, promotes: bool) -> None:
        rollouts = Rollouts(self.workspace)
        started = rollouts.start(rollouts.plan(MODEL, version, actor=OPERATOR), actor=OPERATOR)
        name = started.rollout_id
        self.until(lambda: not rollouts.get(name).is_active or rollouts.get(name).share > 0, "the first step")
        try:
            rollouts.promote_now(name, actor=OPERATOR) if promotes else rollouts.abort(name, actor=OPERATOR)
        except CoreError:
            self.n_refused += 1  # its guards had ended it first
        self.until(lambda: not rollouts.get(name).is_active, "the end of the rollout")
        production = Registry(self.workspace).production(MODEL)
        if production is not None and production.version == version:
            self.journal.note("live", version, into=self.journal.live)

    def _tracked(self) -> None:
        with Runs(self.workspace) as runs:
            run = runs.start(name=f"sweep {self.n_rounds}", actor=OPERATOR)
            for step in range(1, 21):
                runs.log_metrics(run.run_id, step, {"loss": 1.0 / step})
            runs.finish(run.run_id, RunStatus.FINISHED, actor=OPERATOR)
        self.journal.note("run", run.run_id, into=self.journal.runs)

    def _prune(self) -> None:
        pruning = Pruning(self.workspace, RETENTION)
        result = pruning.carry_out(pruning.plan(pruning.automatic()), actor=OPERATOR, reason="retention of the soak")
        for item in (item for kind in result.kinds for item in kind.items):
            self.journal.note("pruned", item.key, into=self.journal.pruned)

    def _ask(self) -> None:
        url = f"http://127.0.0.1:{self._port}/api/v1/predict/{MODEL}"
        while not self._over.wait(0.01):
            self._n_sent += 1
            name = f"soak-{self._n_sent}"
            body = json.dumps({"row": self._row, "request_id": name}).encode()
            request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    answer.read()
            except (OSError, HTTPException):
                time.sleep(0.1)  # the server was killed
            else:
                self.journal.note("prediction", (time.monotonic(), name), into=self.journal.predictions)

    def _read(self) -> None:
        number = 0
        while not self._over.is_set():
            self._console.press(KEYS[number % len(KEYS)])
            self._console.settle(quiet_seconds=0.5, most_seconds=2.0)
            self._console.output.clear()
            number += 1

    def _measure(self) -> None:
        while not self._over.wait(1.0):
            living = {name: process.pid for name, process in self._processes.items()}
            self.curves.sample({**living, "console": self._console.pid}, self.workspace.root)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--hours", type=float, help="overrides the minutes")
    parser.add_argument("--rounds", type=int, help="end after this many rounds, all of them with a kill")
    parser.add_argument("--patience", type=float, default=PATIENCE_SECONDS, help="seconds to wait for each event")
    parser.add_argument(
        "--recorded-within", type=float, default=RECORDED_WITHIN,
        help="seconds before a kill of the server in which answered predictions may be lost",
    )  # fmt: skip
    parser.add_argument("--folder", type=Path, help="working folder, which is kept")
    parser.add_argument("--picture", type=Path, help="write the curves here (SVG)")
    parser.add_argument("--samples", type=Path, help="write every sample of the curves here (JSON)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        sys.exit(1 if report(run(folder, arguments), arguments) else 0)


def run(folder: Path, arguments: argparse.Namespace) -> tuple[Soak, float]:
    """Run the rounds; return the soak and the second from which its curves are judged."""
    soak = Soak(folder, arguments.patience, arguments.recorded_within)
    try:
        soak.begin()
        since = rounds(soak, arguments.rounds, 3600 * arguments.hours if arguments.hours else 60 * arguments.minutes)
    finally:
        soak.end()
    return soak, since


def rounds(soak: Soak, number: int | None, seconds: float) -> float:
    """Run a number of rounds with kills, or rounds for some seconds; return when the judged part began."""
    since = soak.curves.seconds()
    while soak.n_rounds < number if number else soak.curves.seconds() < seconds:
        kills = bool(number) or soak.curves.seconds() < seconds / 2
        soak.round(kills=kills)
        if not number:
            since = soak.curves.seconds() if kills else since
            time.sleep(2.0)  # otherwise the changes, and not the load, would fill the time
    return since


def report(ended: tuple[Soak, float], arguments: argparse.Namespace) -> list[str]:
    """Print what was acknowledged, what was lost and how the curves go; return the losses."""
    soak, since = ended
    journal = soak.journal
    print(
        f"{soak.curves.seconds() / 60:.1f} minutes, {soak.n_rounds} rounds, {len(soak.curves.marks)} kills; "
        f"acknowledged: {len(journal.versions)} versions, {len(journal.live)} of them live, {len(journal.runs)} runs, "
        f"{len(journal.predictions):,} predictions, {soak._epoch():,} epochs"
    )
    print(f"\n{'curve':<30}{'level':>10}{'an hour':>12}{'at the end':>12}  95 % interval")
    for name, slope in soak.curves.slopes(since).items():
        figures = f"{slope.level:>10.1f}{slope.growth:>+12.1f}{slope.at_end:>+12.1f}  {_interval(slope)}"
        print(f"{name:<30}{figures}  {slope.verdict}")
    levels = f"{'start':>10}{'middle':>10}{'end':>10}"
    print(f"\n{'curve':<30}{levels}{'KiB a round':>14}{'budget':>10}{'filling':>10}  second half, 95 %")
    for name, found in soak.curves.growth_a_round(since).items():
        levels = "".join(f"{level:>10.1f}" for level in (found.levels.start, found.levels.middle, found.levels.end))
        figures = f"{levels}{found.slope.growth:>+14.1f}{found.budget:>10.1f}{found.filling:>10.1f}"
        print(f"{name:<30}{figures}  {_interval(found.slope)}  {found.verdict}")
    if arguments.picture:
        arguments.picture.write_text(soak.curves.picture(since))
    if arguments.samples:
        arguments.samples.write_text(json.dumps(soak.curves.samples(since)))
    lost = soak.losses()
    print(f"\n{len(lost)} acknowledged facts lost" if lost else "\nnothing acknowledged was lost")
    print("\n".join(lost[:20]))
    return lost


def _interval(slope: Slope) -> str:
    return f"{slope.low:+.1f} to {slope.high:+.1f}"


def _copied(source: Path, target: Path) -> Path:
    import shutil

    from core.registry.artifacts import RESERVED

    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*RESERVED))
    return target


def _has(registry: Registry, key: str) -> bool:
    model, _, number = key.partition("/")
    return any(version.version == number for version in registry.versions(model))


def _unburied(registry: Registry, pruned: Iterable[str]) -> set[str]:
    """Return the pruned versions whose numbers could be used again."""
    gone = {name.removeprefix("versions:") for name in pruned if name.startswith("versions:")}
    return gone - {tombstone.key for tombstone in registry.pruned()}


def _finished(run: Any) -> bool:
    return run is not None and run.status is RunStatus.FINISHED and run.metrics.get("loss") == 1.0 / 20


if __name__ == "__main__":
    main()
