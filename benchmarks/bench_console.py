"""The console's cost in bandwidth and CPU, compared with a bare Textual application in the same run.

    python benchmarks/bench_console.py [--runs N] [--versions N]

Start-up and first paint on a full workspace, bytes and milliseconds per key press (idle, and during training at full
speed), bytes and CPU at rest, memory before the engine loads, and the time to quit. Everything runs from bytecode, as
when installed: a checkout without write access would compile our modules, but not Textual's, at each start.
"""

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from terminal_meter import Program

BONDX = str(Path(sys.executable).with_name("bondx"))
SCREENS = {
    b"1": "Overview",
    b"2": "Training",
    b"3": "Registry",
    b"4": "Rollouts",
    b"5": "Alerts",
    b"7": "Resources",
    b"9": "Audit",
}
SIZES = ((80, 24, 1_000), (120, 40, 1_500))
"""Columns, rows, and the most bytes a second."""
BARE = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    def compose(self):
        yield Static("Overview")
Bare().run()
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--versions", type=int, default=1000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(folder) / "bytecode")
        workspace = Path(folder) / "workspace"
        fill(workspace, args.versions)
        commands(workspace, args.runs)
        first_paint(workspace, args.runs)
        watching = open_console(workspace, "--read-only")
        at_rest(watching, "no engine, nothing changes")
        keys(watching, "idle")
        watching.end()
        console = open_console(workspace)
        at_rest(console, "with an engine that samples the machine once per second")
        leaving(console)
        training(workspace)
        screens_while_training(workspace)


def fill(workspace: Path, n_versions: int) -> None:
    """Make a workspace with versions of four models, through the registry's interface."""
    import sample_configs
    from core.actor import Actor, Origin
    from core.registry import Registry
    from core.state import Workspace

    opened = Workspace.create(workspace, settings_text=sample_configs.template_text())
    registry = Registry(opened)
    source = workspace / "source"
    source.mkdir()
    (source / "model.json").write_text("{}")
    actor = Actor("bench", "localhost", Origin.COMMAND_LINE)
    for number in range(n_versions):
        model = ("spread", "downgrade", "liquidity_shock", "anomaly")[number % 4]
        registry.register(
            model, source, metrics={"attainment": 0.9}, run_id="r-0001", session_id="s-0001", lineage={}, gates=(),
            actor=actor,
        )  # fmt: skip
    print(f"workspace with {n_versions} versions\n")


def commands(workspace: Path, runs: int) -> None:
    """Time the most frequent commands."""
    floor = median_ms([sys.executable, "-c", "pass"], runs)
    print(f"{'command':<24}{'median ms':>10}{'x bare python':>15}")
    print(f"{'python -c pass':<24}{floor:>10.0f}{1:>15.1f}")
    for arguments in (["--version"], ["--help"], ["--workspace", str(workspace), "status"]):
        took = median_ms([BONDX, *arguments], runs)
        print(f"{'bondx ' + arguments[-1]:<24}{took:>10.0f}{took / floor:>15.1f}")


def median_ms(command: list[str], runs: int) -> float:
    times = []
    for _ in range(runs + 1):  # the first one warms the file cache
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times[1:])


def first_paint(workspace: Path, runs: int) -> None:
    """Compare the first paint with the first paint of an application that shows one word."""
    ours, bare, sent = [], [], []
    for _ in range(runs + 1):  # the first one warms the file cache
        program = Program([sys.executable, "-c", BARE])
        bare.append(program.wait_for("Overview"))
        program.end()
        program = open_console(workspace)
        ours.append(program.wait_for("Overview"))
        program.settle()
        sent.append(len(program.output))
        program.end()
    ours, bare, sent = ours[1:], bare[1:], sent[1:]
    ratio = statistics.median(ours) / statistics.median(bare)
    print(
        f"\nfirst paint: {statistics.median(ours) * 1000:.0f} ms, bare Textual {statistics.median(bare) * 1000:.0f} ms,"
    )
    print(f"  {ratio:.2f} x (goal 1.3); {statistics.median(sent) / 1000:.1f} kB sent until settled (goal 52)")


def open_console(workspace: Path, *arguments: str) -> Program:
    return Program([BONDX, "--workspace", str(workspace), *arguments])


def at_rest(program: Program, what: str) -> None:
    program.wait_for("Overview")
    program.settle(quiet_seconds=2.5)
    n_bytes, cpu = program.idle(10)
    print(f"\n{what}: {n_bytes:.0f} bytes/s, {cpu:.1f} % of a core, {program.rss_mib():.0f} MiB")


def keys(program: Program, what: str) -> None:
    """Press j and k in the list of 1,000 versions, and switch screens."""
    program.press(b"3")
    program.settle()
    moves = [program.press(key) for key in (b"j", b"k") * 50]
    report(f"keys, {what}, j and k in the list of versions", moves)
    report(f"keys, {what}, switching screens", [program.press(key) for key in (b"1", b"3") * 10])


def screens_while_training(workspace: Path) -> None:
    """Measure every screen, as over SSH, while an engine trains at full speed and a version is tagged every second."""
    config = str(workspace / "endless.yaml")
    command = [BONDX, "--workspace", str(workspace), "run", "--headless", "--stay", "--config", config]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as engine, records(workspace):
        for columns, rows, goal in SIZES:
            program = Program([BONDX, "--workspace", str(workspace), "--read-only"], columns=columns, rows=rows)
            program.press(b"2")
            program.wait_for("running", seconds=120)
            size = f"{columns}x{rows}, an engine trains"
            print(f"\n{size:<26}{'bytes/s':>10}{'CPU %':>10}{'epochs/s':>10}  (goal {goal:,}, 2.0)")
            for key, name in SCREENS.items():
                program.press(key)
                program.settle(quiet_seconds=0.8, most_seconds=6)  # on a busy machine, the first paint comes late
                before, begin = epochs_of(workspace), time.perf_counter()
                n_bytes, cpu = program.idle(10)
                rate = (epochs_of(workspace) - before) / (time.perf_counter() - begin)
                print(f"{name:<26}{n_bytes:>10.0f}{cpu:>10.1f}{rate:>10.2f}")
            program.end()
        engine.terminate()


@contextmanager
def records(workspace: Path) -> Iterator[None]:
    """Tag a version every second meanwhile: each time the audit log gains a record, and its list moves by a row."""
    from core.actor import Actor, Origin
    from core.registry import Registry
    from core.state import Workspace

    registry, actor, over = (
        Registry(Workspace.open(workspace)),
        Actor("bench", "localhost", Origin.COMMAND_LINE),
        Event(),
    )
    [first, *_] = registry.versions()

    def tag() -> None:
        for number in itertools.count():
            if over.wait(1.0):
                return
            registry.set_tags(first.model, first.version, {"round": str(number)}, actor=actor)

    thread = Thread(target=tag)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def epochs_of(workspace: Path) -> int:
    """Return how many epochs of all sessions have ended."""
    from core.state import Workspace
    from core.training.sessions import Sessions

    return sum(session.observed.epoch for session in Sessions(Workspace.open(workspace)).all())


def report(what: str, bursts: list) -> None:
    last = sorted(burst.last_ms for burst in bursts)
    n_bytes = statistics.median(burst.n_bytes for burst in bursts)
    p95 = last[int(0.95 * (len(last) - 1))]
    print(f"{what}: last byte median {statistics.median(last):.1f} ms, p95 {p95:.1f} ms, {n_bytes:.0f} bytes")


def leaving(program: Program) -> None:
    started = time.perf_counter()
    code = program.end()
    print(f"SIGTERM: exit code {code} after {(time.perf_counter() - started) * 1000:.0f} ms")


def training(workspace: Path) -> None:
    """Measure keys while the engine inside the console trains at full speed."""
    config = workspace / "endless.yaml"
    config.write_text("dataset_size: 1000\nmax_epochs: 100000\npatience: 100000\n")
    program = open_console(workspace, "run", "--config", str(config))
    program.wait_for("running", seconds=120)
    program.settle(quiet_seconds=0.2, most_seconds=5)
    n_bytes, cpu = program.idle(10)
    print(f"\ntraining at full speed: {n_bytes:.0f} bytes/s, {cpu:.1f} % of a core in the console's process")
    program.press(b"3")
    report("keys while training, j and k", [program.press(key, quiet_seconds=0.03) for key in (b"j", b"k") * 50])
    program.end()


if __name__ == "__main__":
    main()
