"""The soak in short: two rounds of everything at once, with two kills, and the judgement of its curves."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
HOUR = 3600.0


def test_two_rounds_with_kills_lose_nothing_that_was_acknowledged(tmp_path):
    picture = tmp_path / "soak.svg"
    command = [sys.executable, str(BENCHMARKS / "soak.py"), "--rounds", "2", "--picture", str(picture)]
    ended = subprocess.run(command, capture_output=True, text=True)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "2 rounds, 2 kills; acknowledged: 2 versions" in ended.stdout
    assert "nothing acknowledged was lost" in ended.stdout
    assert "engine memory, MiB" in picture.read_text()


@pytest.fixture
def slope_of(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from soak_curves import slope_of

    return slope_of


@pytest.mark.parametrize(
    ("a_second", "verdict"),
    [
        pytest.param(0.0, "flat", id="a level"),
        pytest.param(50.0 / HOUR, "growing", id="half of the level an hour"),
        pytest.param(-50.0 / HOUR, "falling", id="a fall"),
        pytest.param(0.1 / HOUR, "flat", id="a thousandth of the level an hour"),
    ],
)
def test_a_curve_is_judged_by_the_interval_of_its_slope(slope_of, a_second, verdict):
    points = [(float(at), 100.0 + a_second * at + (at % 7) / 100) for at in range(600)]
    slope = slope_of(points)

    assert slope.verdict == verdict
    assert slope.low <= a_second * HOUR <= slope.high


def test_two_samples_have_no_slope(slope_of):
    assert slope_of([(0.0, 1.0), (1.0, 2.0)]) is None
