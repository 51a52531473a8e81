"""Figures of one workspace for `bench_scale.py`: what people and machines wait for, and what a process costs.

Each figure is a function from a workspace to values by name, and leaves the workspace as it found it, but for the
promotions and their records. Beside each wait stands its CPU time, which other programs on the machine hardly change.
"""

import json
import resource
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from terminal_meter import Program
from timing import timed

from core.maintenance.space import sizes
from core.state import Workspace

PROMOTING = Path(__file__).with_name("promote_at_scale.py")
BONDX = str(Path(sys.executable).with_name("bondx"))
PATIENCE_SECONDS = 60
SCREENS = {
    "versions": (b"3",),
    "runs": (b":runs", b"\r"),
    "points": (b":runs", b"\r"),
    "epochs": (b"2", b"\r", b"\t"),
    "audit": (b"9",),
    "alerts": (b"5",),
}
"""The keys that open the list of a fill's records."""

# A process inherits the peak of the process that it was forked from, and ours has filled workspaces.
_PEAK_OF = """
import resource, subprocess, sys, time
begin = time.perf_counter()
subprocess.run(sys.argv[1:])
took = time.perf_counter() - begin
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(took, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""

Figures = dict[str, float]


def first_paint(workspace: Path, _: str) -> Figures:
    """Open a console that may change nothing, until its first screen and until it has read everything."""
    painted, read = [], []
    for _ in range(3):
        program = _console(workspace)
        painted.append(program.wait_for("Overview", seconds=PATIENCE_SECONDS) * 1000)
        program.settle(quiet_seconds=1.0, most_seconds=PATIENCE_SECONDS)
        read.append((program.last_byte - program.started) * 1000)
        program.end()
    return {"first paint ms": statistics.median(painted), "screen complete ms": statistics.median(read)}


def keys(workspace: Path, fill: str) -> Figures:
    """Move through the list of the fill's own screen in a console at rest; then its memory and its CPU."""
    program = _console(workspace)
    program.wait_for("Overview", seconds=PATIENCE_SECONDS)
    program.settle(quiet_seconds=1.0, most_seconds=PATIENCE_SECONDS)
    for key in SCREENS.get(fill, (b"2",)):
        program.press(key)
        program.settle(quiet_seconds=1.0, most_seconds=PATIENCE_SECONDS)
    cpu_before = program.cpu_seconds()
    took = _presses(program)
    cpu_ms = 1000 * (program.cpu_seconds() - cpu_before) / max(1, len(took))
    program.settle(quiet_seconds=1.0, most_seconds=10)
    n_bytes, cpu = program.idle(8)
    found = {
        **(_waits("key", took) | {"key CPU ms": cpu_ms} if took else {}),
        **_memory("console", program.pid),
        "console CPU %": cpu,
        "console B/s": n_bytes,
    }
    program.end()
    return found


def space(workspace: Path, _: str) -> Figures:
    """Measure what every store takes, as `bondx doctor --space` does."""
    stores = sizes(Workspace.open(workspace))
    found = {"files": float(sum(store.n_files for store in stores))}
    return found | {f"{store.store} MiB": store.n_bytes / 2**20 for store in stores if store.n_bytes}


def status(workspace: Path, _: str) -> Figures:
    """Ask for the status, which lists what is wrong."""
    command = [sys.executable, "-c", _PEAK_OF, BONDX, "--workspace", str(workspace), "status"]
    took, used, peaks, lines = [], [], [], 0
    for _ in range(3):
        answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        seconds, cpu_seconds, peak = map(float, answer[-1].split())
        took.append(seconds * 1000)
        used.append(cpu_seconds * 1000)
        peaks.append(peak / 1024)
        lines = len(answer) - 1
    return {
        "status ms": statistics.median(took),
        "status CPU ms": statistics.median(used),
        "status peak MiB": statistics.median(peaks),
        "status lines": lines,
    }


def metrics(workspace: Path, _: str) -> Figures:
    """Scrape a prediction server's metrics, and rest."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with _running("serve", workspace, "--listen", f"127.0.0.1:{port}") as process:
        url = f"http://127.0.0.1:{port}/metrics"
        _until(lambda: _answers(url))
        cpu_before = _cpu_seconds(process.pid)
        took = [timed(_read, url) for _ in range(100)]
        cpu_ms = 10 * (_cpu_seconds(process.pid) - cpu_before)
        cpu = _cpu_percent(process.pid, 5)
        return {
            "/metrics ms": statistics.median(took),
            "/metrics CPU ms": cpu_ms,
            **_memory("server", process.pid),
            "server CPU %": cpu,
        }


def engine(workspace: Path, _: str) -> Figures:
    """Run an engine that has nothing to do."""
    with _running("run", workspace, "--headless", "--no-session", "--stay") as process:
        _until(lambda: psutil.Process(process.pid).num_threads() > 4)
        time.sleep(8)  # start-up recovery
        cpu = _cpu_percent(process.pid, 8)
        return {**_memory("engine", process.pid), "engine CPU %": cpu}


def promotion(workspace: Path, _: str) -> Figures:
    """Promote versions to Staging, durably, in a process of its own."""
    command = [sys.executable, "-c", _PEAK_OF, sys.executable, str(PROMOTING), str(workspace), "20"]
    told, peaks = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    found = json.loads(told)
    if not found["took"]:
        return {}
    waits = _waits("promotion", sorted(found["took"]))
    cpu, peak = statistics.median(found["used"]), float(peaks.split()[2]) / 1024
    return {**waits, "promotion CPU ms": cpu, "promoting MiB": peak}


def verify(workspace: Path, _: str) -> Figures:
    """Verify the audit log with the command."""
    command = [BONDX, "--workspace", str(workspace), "audit", "verify"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = timed(lambda: subprocess.run(command, check=True, capture_output=True))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"audit verify ms": took, "audit verify CPU ms": 1000 * used}


def consoles(workspace: Path, _: str, *, number: int = 20) -> Figures:
    """Attach consoles to one engine at rest: the CPU and memory of each, and of the engine."""
    found = watched_consoles(workspace, number)
    of = {"console": f"one of {number} consoles", "engine": f"engine with {number} consoles"}
    return {
        f"{of[name.split()[0]]} {name.partition(' ')[2]}": value for name, value in found.items() if "key" not in name
    }


def watched_consoles(workspace: Path, number: int) -> Figures:
    """Attach consoles to one engine at rest: the CPU and memory of each, of the engine, and keys in the last one."""
    with _running("run", workspace, "--headless", "--no-session", "--stay") as process:
        _until(lambda: psutil.Process(process.pid).num_threads() > 4)
        opened = []
        for _ in range(number):
            opened.append(_console(workspace, read_only=False))
            opened[-1].wait_for("Overview", seconds=PATIENCE_SECONDS)
            opened[-1].settle(quiet_seconds=0.3, most_seconds=3)
        _drained(opened, 5)
        before, begin = [program.cpu_seconds() for program in opened], time.perf_counter()
        engine_before = _cpu_seconds(process.pid)
        _drained(opened, 10)
        elapsed = time.perf_counter() - begin
        cpu = [
            100 * (program.cpu_seconds() - earlier) / elapsed for program, earlier in zip(opened, before, strict=True)
        ]
        opened[-1].press(b"3")
        opened[-1].settle(quiet_seconds=0.5, most_seconds=5)
        found = {
            "console CPU %": statistics.mean(cpu),
            "console PSS MiB": statistics.mean(_pss_mib(program.pid) for program in opened),
            "engine CPU %": 100 * (_cpu_seconds(process.pid) - engine_before) / elapsed,
            **_waits("key", _presses(opened[-1], most_seconds=5.0)),
        }
        for program in opened:
            program.end()
        return found


def training(workspace: Path, _: str, *, number: int = 20) -> Figures:
    """Attach consoles to an engine that trains at full speed: what each costs, and what the training loses."""
    config = workspace / "endless.yaml"
    config.write_text("dataset_size: 1000\nmax_epochs: 100000\npatience: 100000\n")
    with _running("run", workspace, "--headless", "--stay", "--config", str(config)):
        _until(lambda: _epoch(workspace) > 2)
        opened: list[Program] = []
        alone, _, _ = _watched(workspace, opened, 15)
        for _ in range(number):
            opened.append(_console(workspace))
            _drained(opened, 1)
        _drained(opened, 5)
        together, cpu, n_bytes = _watched(workspace, opened, 15)
        for program in opened:
            program.end()
    return {
        "epochs a second alone": alone,
        f"epochs a second, {number} consoles": together,
        f"one of {number} consoles, training CPU %": cpu,
        f"one of {number} consoles, training B/s": n_bytes,
    }


def _watched(workspace: Path, programs: list[Program], seconds: float) -> tuple[float, float, float]:
    """Return epochs a second, and the mean CPU percent and bytes a second of each console."""
    epoch, cpu, begin = _epoch(workspace), [each.cpu_seconds() for each in programs], time.perf_counter()
    n_bytes = sum(len(each.output) for each in programs)
    _drained(programs, seconds)
    elapsed, n = time.perf_counter() - begin, max(1, len(programs))
    used = sum(each.cpu_seconds() - before for each, before in zip(programs, cpu, strict=True))
    n_bytes = sum(len(each.output) for each in programs) - n_bytes
    return (_epoch(workspace) - epoch) / elapsed, 100 * used / elapsed / n, n_bytes / elapsed / n


def _epoch(workspace: Path) -> int:
    from core.state import Workspace
    from core.training.sessions import Sessions

    return max((session.observed.epoch for session in Sessions(Workspace.open(workspace)).all()), default=0)


FIGURES: dict[str, Callable[[Path, str], Figures]] = {
    "first-paint": first_paint,
    "keys": keys,
    "status": status,
    "metrics": metrics,
    "engine": engine,
    "promotion": promotion,
    "verify": verify,
    "consoles": consoles,
    "training": training,
    "space": space,
}


def _console(workspace: Path, *, read_only: bool = True) -> Program:
    return Program([BONDX, "--workspace", str(workspace), *(["--read-only"] if read_only else [])])


def _presses(program: Program, *, most_seconds: float = 15.0) -> list[float]:
    """Press j and k, and return the milliseconds until the last byte, ascending; nothing if the list is empty."""
    took: list[float] = []
    end = time.perf_counter() + most_seconds
    # A list of epochs stands on its last row, any other list on its first.
    there, back = (b"j", b"k") if program.press(b"j").n_bytes else (b"k", b"j")
    for key in (there, there, back) * 40:
        burst = program.press(key)
        if not burst.n_bytes or time.perf_counter() > end:
            break
        took.append(burst.last_ms)
    return sorted(took)


def _waits(name: str, took: list[float]) -> Figures:
    """Describe milliseconds, ascending."""
    return {f"{name} median ms": statistics.median(took), f"{name} p99 ms": took[int(0.99 * (len(took) - 1))]}


def _drained(programs: list[Program], seconds: float) -> None:
    """Read what the programs write for some seconds, so that none of them waits for its terminal."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for program in programs:
            program.read(0)
        time.sleep(0.05)


@contextmanager
def _running(command: str, workspace: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [BONDX, "--workspace", str(workspace), command, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.wait()


def _until(holds: Callable[[], bool]) -> None:
    end = time.perf_counter() + PATIENCE_SECONDS
    while not holds():
        if time.perf_counter() > end:
            raise TimeoutError("the process did not start in time")
        time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        _read(url)
    except OSError:
        return False
    return True


def _read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
        content: bytes = answer.read()
        return content


def _memory(name: str, pid: int) -> Figures:
    return {f"{name} PSS MiB": _pss_mib(pid), f"{name} RSS MiB": psutil.Process(pid).memory_info().rss / 2**20}


def _pss_mib(pid: int) -> float:
    return float(psutil.Process(pid).memory_full_info().pss) / 2**20


def _cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def _cpu_percent(pid: int, seconds: float) -> float:
    before, begin = _cpu_seconds(pid), time.perf_counter()
    time.sleep(seconds)
    return 100 * (_cpu_seconds(pid) - before) / (time.perf_counter() - begin)
