"""The client's example runs against a server of its own process."""

import os
import subprocess
import sys
from pathlib import Path

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
