"""A server whose workspace is on a read-only volume: it answers, and says once what it leaves out."""

import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from core.state import Workspace
from core.state.write_health import is_read_only
from tests.core.serving.conftest import RunningServer
from tests.processes import free_port
from tests.waiting import PATIENCE_SECONDS


@pytest.fixture
def read_only(workspace, artifacts, put_live, tmp_path):
    """The workspace with a live version, mounted read-only at another place."""
    put_live(workspace, "spread", artifacts / "spread")
    place = tmp_path / "volume"
    place.mkdir()
    bound = subprocess.run(["mount", "--bind", workspace.root, place], capture_output=True, text=True)
    if bound.returncode != 0:
        pytest.skip(f"needs the right to mount: {bound.stderr.strip()}")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", place], check=True)
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def files_of(root):
    return {path: path.stat().st_mtime_ns for path in root.rglob("*")}


def test_a_server_on_a_read_only_volume_answers_and_says_once_what_it_leaves_out(
    read_only, workspace, rows_of, tmp_path
):
    assert (is_read_only(read_only), is_read_only(workspace.root)) == (True, False)
    before, port, told = files_of(workspace.root), free_port(), tmp_path / "serve.err"
    (tmp_path / "tmp").mkdir()
    command = [sys.executable, "-m", "console.cli.main", "--workspace", str(read_only), "serve"]
    with told.open("wb") as log:
        process = subprocess.Popen(
            [*command, "--listen", f"127.0.0.1:{port}", "--time-out", f"{PATIENCE_SECONDS:g}"],
            stdout=subprocess.DEVNULL,
            stderr=log,
            env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
        )
    server = RunningServer(process, port)

    def is_ready() -> bool:
        assert process.poll() is None, told.read_text()
        with suppress(OSError):
            return server.ask("/ready").status == 200
        server.connection.close()
        return False

    try:
        server.until(is_ready, "being ready")
        answer = server.ask("/v1/models/spread:predict", {"instances": rows_of("spread", 2)})
        assert answer.status == 200, answer.json
        outcome = server.ask("/api/v1/outcomes", {"outcomes": [{"request_id": "r", "actual": 1.0}]})
        assert outcome.status >= 400
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_SECONDS)
        server.connection.close()
    lines = told.read_text().splitlines()
    assert len([line for line in lines if "is on a read-only volume: answers are served; predictions" in line]) == 1
    assert [line for line in lines if "ERROR" in line or "not recorded:" in line] == []
    assert files_of(workspace.root) == before
    assert list((tmp_path / "tmp").glob("bondx-*")) == [], "the private copy of the version"


def test_a_folder_that_is_gone_is_not_read_only(tmp_path):
    assert not is_read_only(Workspace(tmp_path / "gone").root)
