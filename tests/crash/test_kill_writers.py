import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import PATIENCE_SECONDS


@pytest.mark.crash
def test_writers_killed_in_the_middle_of_a_change_lose_nothing_they_acknowledged(tmp_path, is_long):
    script = Path(__file__).with_name("kill_writers.py")
    command = [sys.executable, script, "--kills", "10000" if is_long else "200", "--folder", tmp_path]
    limit = None if is_long else PATIENCE_SECONDS
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    print(outcome.stdout)
    assert outcome.returncode == 0, outcome.stderr + outcome.stdout
    assert "0 unreadable files, 0 acknowledged changes lost, 0 half-applied changes" in outcome.stdout
