"""The client's example runs against a server of its own process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import PATIENCE_SECONDS

SCRIPT = Path(__file__).parents[3] / "examples" / "client.py"


def test_the_example_asks_a_running_server(served):
    ran = subprocess.run(
        [sys.executable, "-W", "error", SCRIPT, served.url],
        env={**os.environ, "BONDX_TOKEN": served.token},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )

    assert ran.returncode == 0, ran.stderr
    assert "live: True, ready: True" in ran.stdout
    assert f"rent {served.version}: " in ran.stdout
    assert "2 rows: " in ran.stdout


@pytest.mark.parametrize(
    ("url", "said"),
    [
        pytest.param("", "client: ", id="no such token"),
        pytest.param("http://127.0.0.1:1", "http://127.0.0.1:1 cannot answer: ", id="no server"),
        pytest.param("ftp:/x", "client: 'ftp:/x' is not the URL of a server", id="no URL"),
    ],
)
def test_the_example_ends_with_one_line_where_it_gets_no_answer(served, url, said):
    ran = subprocess.run(
        [sys.executable, "-W", "error", SCRIPT, url or served.url],
        env={**os.environ, "BONDX_TOKEN": "bondx_x"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )

    assert (ran.returncode, ran.stderr[: len(said)]) == (1, said)
    assert len(ran.stderr.splitlines()) == 1
