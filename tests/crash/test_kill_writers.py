import subprocess
import sys
from pathlib import Path

from tests.waiting import PATIENCE_SECONDS


def test_writers_killed_in_the_middle_of_a_change_lose_nothing_they_acknowledged(tmp_path):
    script = Path(__file__).with_name("kill_writers.py")
    outcome = subprocess.run(
        [sys.executable, script, "--folder", tmp_path], capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert outcome.returncode == 0, outcome.stderr + outcome.stdout
    assert "0 unreadable files, 0 acknowledged changes lost, 0 half-applied changes" in outcome.stdout
