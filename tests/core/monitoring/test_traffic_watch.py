"""What a live version answered lately, and since when nobody asked it, from the sums of the store of predictions."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from core.monitoring.traffic_watch import TrafficWatch
from core.monitoring.watch import LiveVersion
from core.settings.policy import ModelPolicy
from core.telemetry.predictions import PredictionRecord, PredictionWriter

NOW = datetime(2026, 11, 27, 7, 30, 20, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_numbers = count()


@pytest.fixture
def version(workspace):
    return LiveVersion(
        workspace=workspace,
        model="spread",
        version="1.0.0",
        role="stable",
        live_since=None,
        created_at=NOW - DAY,
        folder=workspace.artifacts_dir,
        profile=None,
        no_profile="",
        importance={},
        rules=ModelPolicy(),
    )


@pytest.fixture
def served(workspace):
    def served(*requests, version="1.0.0", n=1):
        """Store requests: (when, latency in ms), or (when, None) of a request that failed."""
        with closing(PredictionWriter(workspace.predictions_file, clock=lambda: NOW)) as writer:
            for at, latency in requests:
                for _ in range(n):
                    request = f"r-{next(_numbers)}"
                    record = PredictionRecord(request, at, "spread", version, latency, error=latency is None)
                    assert writer.add(record)

    return served


@pytest.fixture
def look(workspace, version):
    watch = TrafficWatch(workspace.predictions_file)
    return lambda now=NOW, state=None: watch.look(version, now, state)


def test_a_version_that_nobody_has_asked_has_no_traffic(look):
    assert look().part is None


def test_the_window_of_the_policy_is_summed_up(look, served):
    served(*((NOW - n * MINUTE, 4.0) for n in range(1, 31)), n=10)
    served((NOW - 2 * MINUTE, None), n=5)
    part = look().part
    assert (part.n_requests, part.n_failed, part.minutes) == (155, 5, 15)
    assert part.p95_ms == pytest.approx(4.0, rel=0.03)


def test_other_versions_do_not_count(look, served):
    served((NOW - MINUTE, 4.0))
    served((NOW - MINUTE, None), version="1.1.0", n=9)
    assert (look().part.n_requests, look().part.n_failed) == (1, 0)


def test_one_slow_minute_does_not_decide_the_latency(look, served):
    served(*((NOW - n * MINUTE, 4.0) for n in range(1, 16)), n=10)
    served((NOW - 3 * MINUTE, 900.0), n=10)
    assert look().part.p95_ms == pytest.approx(4.0, rel=0.03)


def test_the_usual_latency_is_that_of_the_day_before_this_hour(look, served):
    served(*((NOW - n * HOUR, 5.0) for n in range(1, 24)), n=5)
    served((NOW - MINUTE, 80.0), n=50)
    assert look().part.usual_p95_ms == pytest.approx(5.0, rel=0.03)


def test_few_requests_do_not_say_which_latency_is_usual(look, served):
    served((NOW - 2 * HOUR, 5.0), n=49)
    assert look().part.usual_p95_ms is None


def test_the_longest_gap_counts_once_a_week_was_watched(look, served):
    served((NOW - 8 * DAY, 4.0), *((NOW - 7 * DAY + n * HOUR, 4.0) for n in range(168)))
    assert look().part.usual_gap_seconds == 3600.0


def test_less_than_a_week_says_no_usual_gap(look, served):
    served(*((NOW - n * HOUR, 4.0) for n in range(100)))
    assert look().part.usual_gap_seconds is None


def test_gaps_are_followed_by_the_minute_from_look_to_look(look, served):
    served(*((NOW - n * HOUR, 4.0) for n in range(1, 24 * 8)))
    state = look().state
    for day in range(9):  # the hours of the first look are forgotten after a week
        now = NOW + day * DAY
        served(*((now + n * 10 * MINUTE, 4.0) for n in range(144)))
        found = look(now + DAY - MINUTE, state)
        state = found.state
    assert found.part.usual_gap_seconds == 600.0


def test_a_look_after_a_look_finds_the_same(look, served):
    served((NOW - 5 * MINUTE, 4.0), (NOW - 2 * MINUTE, 4.0))
    first = look()
    again = look(state=first.state)
    assert (again.part, again.state) == (first.part, first.state)


def test_the_requests_of_a_day_are_shown_by_hour(look, served):
    served((NOW - MINUTE, 4.0), n=3)
    served((NOW - 23 * HOUR, 4.0), n=2)
    served((NOW - 25 * HOUR, 4.0), n=7)
    assert look().part.requests == (2, *[0] * 22, 3)


def test_a_clock_that_was_ahead_hides_no_silence(look, served):
    served(*((NOW - n * HOUR, 4.0) for n in range(1, 24 * 9)))
    served((NOW + 30 * DAY, 4.0))
    ahead = look(NOW + 30 * DAY + 2 * MINUTE, look().state)
    back = look(NOW + MINUTE, ahead.state)
    assert back.part.last_at == (NOW - HOUR).replace(second=0)
    assert back.part.usual_gap_seconds == 3600.0


def test_a_version_silent_for_weeks_keeps_its_usual_gap(look, served):
    served(*((NOW - n * HOUR, 4.0) for n in range(1, 24 * 9)))
    state = look().state
    assert look(NOW + 20 * DAY, state).part.usual_gap_seconds == 3600.0


@pytest.mark.parametrize("state", [b"{", b"[]", b"\xff", b"[" * 100_000])
def test_a_damaged_state_is_made_again(look, served, state):
    served((NOW - 5 * MINUTE, 4.0))
    assert look(state=state).state == look().state
