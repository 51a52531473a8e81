"""The soak in short: two rounds of everything at once, with two kills, and the judgement of its curves."""

import math
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import PATIENCE_SECONDS, until

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
HOUR = 3600.0


def test_two_rounds_with_kills_lose_nothing_that_was_acknowledged(tmp_path):
    picture = tmp_path / "soak.svg"
    # A server that gets little of the machine stores an answered prediction later than it promises otherwise.
    slowly = ["--patience", str(PATIENCE_SECONDS), "--recorded-within", "60"]
    command = [sys.executable, str(BENCHMARKS / "soak.py"), "--rounds", "2", "--picture", str(picture), *slowly]
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


def a_cache(at: float) -> float:
    return 100.0 + 20.0 * (1 - math.exp(-at / 150))


@pytest.mark.parametrize(
    ("curve", "verdict"),
    [
        pytest.param(a_cache, "filling", id="a cache that is nearly full"),
        pytest.param(lambda at: 100.0 + at / 60, "growing", id="a line"),
        pytest.param(lambda at: 100.0 + (at / 200) ** 2, "growing", id="ever faster"),
        pytest.param(lambda at: 100.0 + at / 60 - (at / 600) ** 2, "growing", id="a little slower"),
        pytest.param(lambda at: 220.0 - a_cache(at), "falling", id="a fall that slows down"),
    ],
)
def test_a_curve_fills_only_if_it_has_nearly_stopped_to_grow(slope_of, curve, verdict):
    slope = slope_of([(float(at), curve(at) + (at % 7) / 100) for at in range(600)])

    assert slope.verdict == verdict
    assert slope.growth * (-1 if verdict == "falling" else 1) > 0  # what it has grown stays visible


def test_a_child_that_nobody_waits_for_is_counted(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from soak_curves import Curves

    (tmp_path / "state").mkdir()
    # Held by a name: an object that is dropped after its child's end waits for it on the way out.
    program = "import subprocess, sys; child = subprocess.Popen(['true']); print('born', flush=True); sys.stdin.read()"
    parent = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert parent.stdout.readline() == b"born\n"
        curves = Curves()

        def zombies():
            curves.sample({"parent": parent.pid}, tmp_path)
            return curves.points["parent zombies"][-1][1]

        until(lambda: zombies() == 1, "the end of the child")
        assert curves.points["parent children"][-1][1] == 1
        assert curves.points["parent memory, MiB"][-1][1] > 0
        assert all(0 < own < 1000 for _, own in curves.points["parent own memory, MiB"]), "Linux alone tells it"
    finally:
        parent.communicate()


def test_memory_is_judged_by_the_rounds_however_long_they_took(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from soak_curves import Curves

    curves = Curves()
    curves.rounds = [float(n * n) for n in range(41)]  # ever slower
    # A process keeps half a MiB of each round, and 3 MiB of its start.
    kept = [(float(at), 3.0 + 0.5 * at**0.5) for at in range(1600)]
    curves.points["console memory, MiB"] = kept
    curves.points["console CPU, %"] = kept
    ((name, found),) = curves.growth_a_round(400.0).items()
    levels = found.levels

    assert name == "console memory, MiB"
    assert found.slope.growth == pytest.approx(512.0, rel=0.01)
    assert found.slope.low > 500.0
    assert (levels.start, levels.middle, levels.end) == pytest.approx((4.0, 13.1, 23.0), abs=0.2)
    assert found.verdict == "growing"


@pytest.fixture
def a_curve(monkeypatch):
    """Return the growth of a server's memory over 100 rounds: KiB by the round, with state files that grow, too."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from soak_curves import STATE_FILES, Curves

    def of(kib, *, of_files=0.0, since=0.0):
        curves = Curves()
        curves.rounds = [10.0 * n for n in range(101)]
        times = [float(at) for at in range(1000)]
        curves.points["server memory, MiB"] = [(at, 90.0 + kib(at / 10) / 1024) for at in times]
        curves.points[STATE_FILES] = [(at, 1.0 + of_files * at / 10 / 1024) for at in times]
        return curves.growth_a_round(since)["server memory, MiB"]

    return of


@pytest.mark.parametrize(
    ("kib_a_round", "of_files", "verdict"),
    [
        pytest.param(0.0, 0.0, "flat", id="a level"),
        pytest.param(6.0, 0.0, "as budgeted", id="the documents of a round"),
        pytest.param(40.0, 0.0, "growing", id="five times the documents of a round"),
        pytest.param(14.0, 0.0, "growing", id="more than the documents, beside state files that do not grow"),
        pytest.param(14.0, 9.0, "as budgeted", id="the documents, and the bytes of state files"),
        pytest.param(-6.0, 0.0, "falling", id="a fall"),
    ],
)
def test_memory_is_compared_with_the_budget_of_a_round(a_curve, kib_a_round, of_files, verdict):
    found = a_curve(lambda n: kib_a_round * n + 10 * (10 * n % 7), of_files=of_files, since=500.0)

    assert found.verdict == verdict


def test_memory_that_has_stopped_growing_has_filled(a_curve):
    assert a_curve(lambda n: 8192 * (1 - math.exp(-n / 30))).verdict == "filling"


def test_memory_that_sways_by_more_than_its_budget_is_unclear(a_curve):
    assert a_curve(lambda n: 2048 * math.sin(n / 3)).verdict == "unclear"


def test_two_samples_have_no_slope(slope_of):
    assert slope_of([(0.0, 1.0), (1.0, 2.0)]) is None


def test_the_filling_of_a_window_is_no_growth_for_as_long_as_it_fills(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from soak_curves import WINDOWS, Curves

    def judged(*, killed_at):
        curves = Curves()
        curves.rounds = [10.0 * n for n in range(361)]
        curves.marks = [(killed_at, "kill -9 of the engine")]
        kib = [sum(each.filled(killed_at, 0.0, float(at)) for each in WINDOWS["engine"]) for at in range(3600)]
        for process in ("engine", "server"):
            curves.points[f"{process} memory, MiB"] = [(float(at), 90.0 + held / 1024) for at, held in enumerate(kib)]
        found = curves.growth_a_round(1800.0)
        return found["engine memory, MiB"], found["server memory, MiB"]

    engine, server = judged(killed_at=1790.0)
    windows_kib = sum(each.kib for each in WINDOWS["engine"])
    assert engine.filling == pytest.approx(windows_kib / 181, rel=0.02)
    assert engine.budget == pytest.approx(8.0 + engine.filling)
    assert server.filling == 0.0  # it has no such window
    engine, _ = judged(killed_at=600.0)  # full long before
    assert (engine.filling, engine.budget, engine.verdict) == (0.0, 8.0, "flat")
