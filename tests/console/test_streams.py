"""Streams that nobody reads: a command says so and fails, an engine goes on."""

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

import console.cli.main
import console.mlops.cli
from console.cli.unread_output import UnblockedWriter, unread_output_is_harmless
from core.actor import Actor, Origin
from core.interop.mlflow import ExportedRun
from core.state import Workspace
from core.tracking import Runs, RunStatus
from core.training.session import SessionPhase
from core.training.sessions import Sessions
from tests.waiting import PATIENCE_SECONDS, until

BONDX = f"{sys.executable} -P -m bondx"


@pytest.fixture
def workspace(tmp_path):
    return Workspace.create(
        tmp_path / "workspace", settings_text="dataset_size: 100\nmodels: {anomaly: {algorithm: residual}}\n"
    )


def shell(line: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash; its code is that of the first command of a pipe that fails."""
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        env=os.environ | more,
        check=False,
    )


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        pytest.param("--help > /dev/full", 74, "cannot be written: No space left", id="help on a full disk"),
        pytest.param("--workspace W audit tail >&-", 74, "cannot be written: Bad file", id="closed stdout"),
        pytest.param("--workspace W audit tail | true", 141, "", id="reader that left"),
        pytest.param("--workspace W audit tail 2>&-", 0, "", id="closed stderr"),
        pytest.param("--workspace nowhere status 2>/dev/full", 2, "", id="complaint on a full disk"),
    ],
)
def test_a_command_whose_output_is_lost_never_claims_success(workspace, line, code, says, unbuffered):
    done = shell(f"{BONDX} {line.replace('W', str(workspace.root))}", PYTHONUNBUFFERED=unbuffered)

    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "line", ["status $'a\\e[2Jb'", "runs show $'a\\e]0;b\\a'", "runs import-mlflow $'\\e[31mx' --store $'\\e[2J'"]
)
def test_no_error_moves_the_cursor_of_the_terminal(workspace, line):
    done = shell(f"{BONDX} --workspace {workspace.root} {line}")

    assert done.returncode == 2
    assert done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.journey
def test_a_session_ends_though_nobody_takes_its_lines(workspace, tmp_path):
    other = Workspace.create(tmp_path / "other", settings_text=workspace.settings_file.read_text())
    headless = f"{BONDX} run --headless --epochs 1 --workspace"

    done = shell(
        f"({headless} {workspace.root} 2>&- | head -c 1 >/dev/null) & first=$!\n"
        f"({headless} {other.root} >&- 2>/dev/full) & wait $! && wait $first"
    )

    assert done.returncode == 0, done.stderr
    for trained in (workspace, other):
        assert Sessions(trained).get("s-0001").observed.phase is SessionPhase.FINISHED


@pytest.fixture
def pipe():
    """Return the two ends of a pipe, the end that is written to as a text stream."""
    reads, writes = os.pipe()
    with os.fdopen(writes, "w") as stream:
        yield reads, stream
    os.close(reads)


def test_writing_does_not_wait_for_a_reader_and_nothing_is_lost_when_it_comes(pipe):
    reads, stream = pipe
    writer = UnblockedWriter(stream)
    lines = [f"{number:060}\n" for number in range(4000)]  # more than a pipe holds
    for line in lines:
        writer.write(line)
    assert writer._thread.is_alive()

    found = io.BytesIO()

    def read_all() -> None:
        while len(found.getvalue()) < 61 * len(lines):
            found.write(os.read(reads, 1 << 16))

    reader = threading.Thread(target=read_all)
    reader.start()
    writer.drain()
    reader.join()
    assert found.getvalue().decode() == "".join(lines)


def test_a_reader_that_never_reads_costs_lines_and_no_memory(pipe, monkeypatch):
    monkeypatch.setattr("console.cli.unread_output.MAX_WAITING", 10)
    monkeypatch.setattr("console.cli.unread_output.DRAIN_SECONDS", 0.01)
    writer = UnblockedWriter(pipe[1])
    for _ in range(5000):
        writer.write("x" * 100)

    assert writer._waiting.qsize() <= 10
    writer.drain()
    os.read(pipe[0], 1 << 20)  # let its thread end


def test_lines_are_written_again_once_the_disk_has_space(tmp_path, monkeypatch):
    file = tmp_path / "lines"
    full = threading.Event()
    real = os.write

    def write(descriptor: int, content: bytes) -> int:
        if full.is_set():
            raise OSError(28, "No space left on device")
        return real(descriptor, content)

    monkeypatch.setattr(os, "write", write)
    with file.open("w") as stream:
        writer = UnblockedWriter(stream)
        full.set()
        writer.write("lost\n")
        until(lambda: writer._has_failed, "the first failure")
        full.clear()
        writer.write("kept\n")
        writer.drain()

    assert file.read_text() == "kept\n"


def test_the_streams_come_back_afterwards():
    before = sys.stdout, sys.stderr
    with unread_output_is_harmless():
        assert sys.stdout is not before[0]
    assert (sys.stdout, sys.stderr) == before


NOISE = "View run plain at: http://tracker"


def noisy(answer: object) -> Callable[..., object]:
    """Stand in for a library that prints on stdout."""

    def noisy(*_: object, **__: object) -> object:
        print(NOISE)
        sys.stdout.write(f"{NOISE}\n")
        return answer

    return noisy


@pytest.mark.parametrize(
    ("main", "words", "place", "answer"),
    [
        pytest.param(
            console.cli.main.main,
            ["runs", "export-mlflow", "r-0001", "--store", "http://tracker"],
            "core.interop.mlflow.export_run",
            ExportedRun(mlflow_run_id="abc", experiment="bondx"),
            id="export",
        ),
        pytest.param(
            console.cli.main.main,
            ["runs", "metrics", "r-0001"],
            "core.tracking.Runs.metric_names",
            [],
            id="a history in pages",
        ),
        pytest.param(
            console.cli.main.main,
            ["doctor", "--environment"],
            "core.maintenance.environment.examine_environment",
            [],
            id="doctor",
        ),
        pytest.param(
            console.mlops.cli.main, ["list", "--models"], "core.registry.Registry.versions", [], id="another program"
        ),
    ],
)
def test_with_json_stdout_has_only_json_whatever_a_library_prints(
    workspace, called, monkeypatch, main, words, place, answer
):
    with Runs(workspace) as runs:
        run = runs.start(name="plain", actor=Actor("ana", "desk", Origin.COMMAND_LINE))
        runs.finish(run.run_id, RunStatus.FINISHED, actor=Actor("ana", "desk", Origin.COMMAND_LINE))
    monkeypatch.setattr(place, noisy(answer))
    code, out, err = called(main, "--workspace", workspace.root, *words, "--json")
    assert code == 0, err
    json.loads(out)
    assert err.count(NOISE) == 2
    after = called(console.cli.main.main, "--workspace", workspace.root, "runs", "list")
    assert after[1].startswith("RUN_ID"), after
