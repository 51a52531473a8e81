"""Break everything at once, and hold the workspace to what it has acknowledged.

    python -m tests.crash.chaos --rounds 50 [--seed 7] [--folder DIR]

A headless engine, a server and writers work on one workspace: writers in this program's own way through core, and one
over HTTP through a line that loses packets. Every round breaks something, waits until every writer has tried to act
under it, heals it, and waits until every writer has been acknowledged again: so many things happen however slow the
machine is. What breaks:

- `kill_engine`, `kill_server`, `kill_writer`: SIGKILL, and another process in its place
- `full_disk`: the last byte of a small disk is taken; where nothing may be mounted, fsync is refused with ENOSPC
- `clock_forward`, `clock_back`: the processes' time of day jumps by hours
- `slow_fsync`: each fsync takes up to a third of a second longer
- `lossy_line`: connections to the server are refused, cut in the middle of a request or of its answer, or stall

Every action that was acknowledged is in a ledger outside of the workspace, with the reason by which the audit log knows
it. At the end the audit log must verify, `doctor` must find nothing, and every acknowledged action must be in the audit
log exactly once and in the state, unless a later try of the same writer changed it again. Else the run fails with the
name of the action. What was refused with the words that it was not made must not be there.
"""

import argparse
import os
import random
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from core.actor import Actor, Origin
from core.alerts.silences import Silences
from core.governance import AuditLog
from core.maintenance.doctor import examine
from core.registry import Registry
from core.saved_views import SavedViews
from core.serving.access import Role, Tokens
from core.state import Workspace, read_lease
from core.tracking import Runs, RunStatus
from tests.crash.chaos_process import put
from tests.crash.chaos_writer import MODEL, VERSION, read_ledger, reason_of
from tests.disks import filled
from tests.processes import free_port
from tests.waiting import PATIENCE_SECONDS

OPERATOR = Actor("chaos", "localhost", Origin.COMMAND_LINE)
FAULTS = (
    *("kill_engine", "full_disk", "kill_writer", "lossy_line"),
    *("clock_forward", "kill_server", "slow_fsync", "clock_back"),
)
CORE_WRITERS = ("core0", "core1")
API_WRITER = "api0"
WRITERS = (*CORE_WRITERS, API_WRITER)
DISK_SIZE = "192m"
TRIES = 2
HOUR = 3600.0
NOT_MADE = "This change was not made"
"""The promise of a refusal; others, such as those of an fsync after the rename, say that the change is in doubt."""


class LossyLine:
    """A line to the server: whole, or one that refuses, cuts and stalls connections by chance."""

    def __init__(self, port: int, seed: int) -> None:
        self._port = port
        self._random = random.Random(seed)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.is_lossy = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        """Where clients find the server."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _accept(self) -> None:
        while True:
            with suppress(OSError):
                client, _ = self._listener.accept()
                fate = self._random.choice(("whole", "refused", "no answer", "half an answer", "stalls"))
                threading.Thread(
                    target=self._carry, args=(client, fate if self.is_lossy else "whole"), daemon=True
                ).start()

    def _carry(self, client: socket.socket, fate: str) -> None:
        with client, suppress(OSError):
            if fate == "refused":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # reset, as a lost SYN ends
                return
            with socket.create_connection(("127.0.0.1", self._port)) as server, selectors.DefaultSelector() as ready:
                ready.register(client, selectors.EVENT_READ, server)
                ready.register(server, selectors.EVENT_READ, client)
                while True:
                    for key, _ in ready.select():
                        source, target = key.fileobj, key.data
                        data = source.recv(65_536)  # type: ignore[union-attr]
                        if not data:
                            return
                        is_answer = source is server
                        if is_answer and fate == "no answer":
                            return
                        if is_answer and fate == "half an answer":
                            target.sendall(data[: len(data) // 2])
                            return
                        if fate == "stalls":
                            time.sleep(self._random.uniform(0.05, 0.5))
                        target.sendall(data)


class Chaos:
    """One workspace and the processes that work on it."""

    def __init__(self, folder: Path, *, seed: int, disk: Path | None) -> None:
        """Make the workspace.

        Args:
            folder: Where ledgers, logs and the control file are, which is never broken.
            seed: Of every choice.
            disk: The small disk for the workspace, if one could be mounted.
        """
        self._folder, self._disk = folder, disk
        self._random = random.Random(seed)
        self.workspace = make_workspace((disk or folder) / "workspace")
        self._token = Tokens(self.workspace).create("chaos", Role.ADMIN, actor=OPERATOR)[1]
        self._port = free_port()
        self.line = LossyLine(self._port, seed)
        self.control = folder / "control.json"
        put(self.control)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.rounds: Counter[str] = Counter()

    def ledger(self, writer: str) -> Path:
        """Return the ledger of a writer."""
        return self._folder / f"{writer}.jsonl"

    def begin(self) -> None:
        """Start every process, and wait until every writer has been acknowledged."""
        for name in ("engine", "server", *WRITERS):
            self._start(name)
        self._until_all(self._acknowledged, "the first acknowledgements")
        self.until(lambda: read_lease(self.workspace) is not None, "an engine")

    def round(self, *faults: str) -> None:
        """Break what is named, at once, let everybody act under it, and heal it."""
        before = self._tried()
        with ExitStack() as broken:
            shifts: dict[str, Any] = {}
            for fault in faults:
                self.rounds[fault] += 1
                shifts |= self._break(fault, broken)
            put(self.control, **shifts)
            if "full_disk" in faults:
                self._until_all(self._refused, "a refusal of every writer")
            else:
                self.until(lambda: all(self._tried()[w] >= before[w] + TRIES for w in WRITERS), "tries under faults")
        put(self.control)
        self._revive()
        self._until_all(self._acknowledged, f"acknowledgements after {', '.join(faults)}")
        self.until(lambda: read_lease(self.workspace) is not None, "an engine")

    def _break(self, fault: str, broken: ExitStack) -> dict[str, Any]:
        """Break one thing; return what the processes see of it in the control file."""
        if fault.startswith("kill_"):
            name = fault.removeprefix("kill_")
            self._kill(self._random.choice(CORE_WRITERS) if name == "writer" else name)
            return {}
        if fault == "lossy_line":
            broken.enter_context(self._lossy())
            return {}
        if fault == "full_disk" and self._disk is not None:
            broken.enter_context(filled(self._disk))
            return {}
        hours = self._random.uniform(0.5, 6.0)
        return {
            "full_disk": {"is_full": True},
            "clock_forward": {"clock_seconds": hours * HOUR},
            "clock_back": {"clock_seconds": -hours * HOUR},
            "slow_fsync": {"fsync_seconds": self._random.uniform(0.02, 0.3)},
        }[fault]

    @contextmanager
    def _lossy(self) -> Iterator[None]:
        self.line.is_lossy = True
        try:
            yield
        finally:
            self.line.is_lossy = False

    # Processes

    def _start(self, name: str) -> None:
        root = str(self.workspace.root)
        arguments = {
            "engine": ["bondx", "--workspace", root, "run", "--headless", "--stay", "--no-session"],
            "server": ["bondx", "--workspace", root, "serve", "--listen", f"127.0.0.1:{self._port}"],
        }.get(name) or [
            "writer",
            root,
            str(self.ledger(name)),
            name,
            self.line.address if name == API_WRITER else "",
            self._token,
        ]
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", "tests.crash.chaos_process", str(self.control), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a kill ends the children of an engine with it, as of a whole service
                cwd=Path(__file__).parents[2],
            )

    def _kill(self, name: str) -> None:
        process = self._processes[name]
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._start(name)

    def _revive(self) -> None:
        """Start what has ended of itself again, as a service manager does; on a full disk an engine may end."""
        for name, process in list(self._processes.items()):
            if process.poll() is not None:
                self.rounds[f"{name} ended of itself with {process.returncode}"] += 1
                self._start(name)

    def end(self) -> None:
        """Stop every process in order."""
        for name in (*WRITERS, "server", "engine"):
            self._processes[name].terminate()
        for process in self._processes.values():
            process.wait(PATIENCE_SECONDS)

    def kill_all(self) -> None:
        """Leave nothing behind, however it ended."""
        for process in self._processes.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    # Progress

    def _tried(self) -> Counter[str]:
        return Counter({writer: len(read_ledger(self.ledger(writer))) for writer in WRITERS})

    def _until_all(self, outcome: Callable[[str], int], what: str) -> None:
        before = {writer: outcome(writer) for writer in WRITERS}
        self.until(lambda: all(outcome(writer) >= before[writer] + TRIES for writer in WRITERS), what)

    def _acknowledged(self, writer: str) -> int:
        return sum(line["outcome"] == "acknowledged" for line in read_ledger(self.ledger(writer)))

    def _refused(self, writer: str) -> int:
        return sum(line["outcome"] in ("refused", "unknown") for line in read_ledger(self.ledger(writer)))

    def until(self, happened: Callable[[], object], what: str) -> None:
        """Wait for something; a process that ended meanwhile is started again."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not happened():
            if time.monotonic() > deadline:
                raise ChaosError(
                    f"{what} did not come within {PATIENCE_SECONDS} s; logs and ledgers are in {self._folder}"
                )
            self._revive()
            time.sleep(0.05)

    # The account

    def losses(self) -> list[str]:
        """Compare the ledgers with the workspace; return what is wrong, a sentence each."""
        log = AuditLog(self.workspace)
        verdict = log.verify()
        wrong = [] if verdict.ok and not verdict.n_waiting else [f"the audit log: {verdict.reason} {verdict}"]
        wrong += [f"doctor: {found.file}: {found.problem}" for found in examine(self.workspace)]
        recorded = Counter((record.verb, record.reason) for record in log.since(0))
        state = State(self.workspace)
        for writer in WRITERS:
            latest: dict[tuple[str, str], dict[str, Any]] = {}
            for line in read_ledger(self.ledger(writer)):
                n_records = recorded[line.get("verb"), reason_of(writer, line["n"])]
                if NOT_MADE in line.get("told", "") and n_records:
                    wrong.append(f"{_named(writer, line)} was refused as not made, and was made")
                if line["outcome"] != "acknowledged":
                    continue
                if n_records != 1:
                    wrong.append(f"{_named(writer, line)} is {n_records} times in the audit log")
                latest[line["verb"], line["object"]] = line
            wrong += [
                f"{_named(writer, line)} is lost: {problem}"
                for line in latest.values()
                if (problem := state.problem(line, reason_of(writer, line["n"]))) is not None
            ]
        return wrong

    def told(self) -> str:
        """Count what has happened."""
        outcomes = Counter(line["outcome"] for writer in WRITERS for line in read_ledger(self.ledger(writer)))
        counts = ", ".join(f"{n:,} {outcome}" for outcome, n in sorted(outcomes.items()))
        return f"actions: {counts}; faults: {', '.join(f'{n} {name}' for name, n in sorted(self.rounds.items()))}"


class State:
    """What the workspace holds at the end."""

    def __init__(self, workspace: Workspace) -> None:
        registry = Registry(workspace)
        self._tags = registry.get(MODEL, VERSION).tags
        self._aliases = registry.aliases(MODEL)
        self._views = {view.name: view.title for view in SavedViews(workspace).all()}
        self._silences = {silence.comment for silence in Silences(workspace).all()}
        self._runs = {run.name: run.status for run in Runs(workspace).all()}

    def problem(self, line: dict[str, Any], reason: str) -> str | None:
        """Say how the state contradicts the newest acknowledged change of an object; None if it does not."""
        name, value = line["object"], line["value"]
        if line["verb"] == "silence.add":
            return None if reason in self._silences else "there is no such silence"
        if line["verb"] == "run.finish":
            return None if self._runs.get(name) is RunStatus.FINISHED else f"the run is {self._runs.get(name)}"
        if line["verb"] == "alias.set":
            return None if self._aliases.get(name) == VERSION else f"the alias is {self._aliases.get(name)}"
        found = (self._tags if line["verb"] == "version.tag" else self._views).get(name)
        # A later try may have been carried out without being acknowledged.
        is_kept = found is not None and found.isdecimal() and int(found) >= int(value)
        return None if is_kept else f"the value is {found}, not {value} or a later one"


class ChaosError(Exception):
    """The run cannot go on."""


def _named(writer: str, line: dict[str, Any]) -> str:
    return f"{line['verb']} {line['object']} = {line['value']} ({reason_of(writer, line['n'])})"


def make_workspace(root: Path) -> Workspace:
    """Make a workspace with one version of a model, whose files are small."""
    from core.domains.bonds.data import PanelSettings, generate
    from core.domains.catalogue import create

    workspace = Workspace.create(root, settings_text="{}\n")
    with tempfile.TemporaryDirectory() as folder:
        model = create(MODEL, algorithm="lightgbm")
        model.update(generate(PanelSettings(n_rows=300, seed=7)), seed=7)
        model.save(Path(folder) / "trained")
        Registry(workspace).register(
            MODEL, Path(folder) / "trained", metrics={"attainment": 0.9}, lineage={"seed": 7}, gates=(), actor=OPERATOR
        )
    return workspace


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """Mount a small disk; None where this account may not."""
    disk = folder / "disk"
    disk.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE}", "tmpfs", str(disk)]
    if subprocess.run(mounting, capture_output=True).returncode != 0:
        yield None
        return
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def plan(rounds: int, seed: int) -> list[tuple[str, ...]]:
    """Choose what breaks in each round: every fault once, in an order by chance, then up to three at once.

    >>> sorted(fault for faults in plan(3, seed=7) for fault in faults) == sorted(FAULTS)
    True
    >>> [len(faults) for faults in plan(10, seed=7)][:8]
    [1, 1, 1, 1, 1, 1, 1, 1]
    """
    chance = random.Random(seed)
    ordered = chance.sample(FAULTS, len(FAULTS))
    once = [tuple(ordered[n::rounds]) for n in range(min(rounds, len(FAULTS)))]
    together = [tuple(chance.sample(FAULTS, chance.randint(1, 3))) for _ in range(rounds - len(once))]
    return [*once, *together]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, and print the account."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="for ledgers and logs (default: a temporary one)")
    args = parser.parse_args(arguments)
    folder = args.folder or Path(tempfile.mkdtemp(prefix="bondx-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    with small_disk(folder) as disk:
        print(
            "the disk is a small one" if disk else "no disk may be mounted here: fsync is refused instead", flush=True
        )
        chaos = Chaos(folder, seed=args.seed, disk=disk)
        try:
            chaos.begin()
            for n, faults in enumerate(plan(args.rounds, args.seed), 1):
                print(f"round {n}: {', '.join(faults)}", flush=True)
                chaos.round(*faults)
            chaos.end()
            wrong = chaos.losses()
        except ChaosError as error:
            wrong = [str(error)]
        finally:
            chaos.kill_all()
        print(chaos.told())
    for sentence in wrong:
        print(f"FAILED: {sentence}")
    if not wrong:
        print("every acknowledged action is in the workspace, and nothing is damaged")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
