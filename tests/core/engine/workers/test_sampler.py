from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.actor import Actor
from core.alerts import Alerts
from core.engine.workers.sampler import Sampler
from core.settings import AlertSettings, TrainingSettings
from core.training.session import SessionPhase

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


class Recorder:
    """Stands in for the telemetry's writer."""

    def __init__(self):
        self.series = set()

    def add(self, series, at, value):
        self.series.add(series)


@pytest.fixture
def alerts(workspace):
    return Alerts(workspace, settings=AlertSettings(stalled_hours=2, disk_percent_max=100, memory_percent_max=100))


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def sampler(context, recorder, alerts):
    return Sampler(replace(context, telemetry=recorder, alerts=alerts, clock=lambda: NOW))


@pytest.fixture
def session_id(sessions, person):
    return sessions.start(TrainingSettings(), name="", actor=person).session_id


def stalled(alerts):
    return [alert.labels["session"] for alert in alerts.open() if alert.rule == "training_stalled"]


@pytest.mark.parametrize(
    ("phase", "hours", "calls"),
    [
        pytest.param(SessionPhase.RUNNING, 2.1, True, id="no epoch for longer than the limit"),
        pytest.param(SessionPhase.RUNNING, 1.9, False, id="the limit is not reached"),
        pytest.param(SessionPhase.PREPARING, 2.1, True, id="a preparation that does not end"),
        pytest.param(SessionPhase.STOPPING, 2.1, True, id="an end that does not come"),
        pytest.param(SessionPhase.PAUSED, 9, False, id="a paused session cannot stall"),
        pytest.param(SessionPhase.QUEUED, 9, False, id="nor can one that waits for its turn"),
        pytest.param(SessionPhase.FINISHED, 9, False, id="nor one that has ended"),
    ],
)
def test_a_stalled_session_raises_an_alert(sampler, sessions, alerts, session_id, phase, hours, calls):
    progress = NOW - timedelta(hours=hours)
    sessions.observe(session_id, "session.test", actor=Actor.engine(), phase=phase, last_progress_at=progress)
    sampler.take()
    assert stalled(alerts) == ([session_id] if calls else [])


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"last_progress_at": NOW}, id="an epoch ends"),
        pytest.param({"phase": SessionPhase.PAUSED}, id="it is paused"),
    ],
)
def test_the_alert_resolves_when_the_session_is_no_longer_stalled(sampler, sessions, alerts, session_id, change):
    engine, long_ago = Actor.engine(), NOW - timedelta(hours=3)
    sessions.observe(session_id, "session.test", actor=engine, phase=SessionPhase.RUNNING, last_progress_at=long_ago)
    sampler.take()
    sessions.observe(session_id, "session.test", actor=engine, **change)
    sampler.take()
    assert stalled(alerts) == []


def test_machine_and_engine_are_measured(sampler, recorder):
    sampler.take()
    assert {"resource.cpu_percent", "resource.memory_percent", "process.engine.rss_bytes"} <= recorder.series
    assert "process.trainer.rss_bytes" not in recorder.series
