"""What a session does between two attempts, without a training child."""

import threading
import time
from types import SimpleNamespace

import pytest

from core.errors import CoreError
from core.settings import TrainingSettings
from core.training import session_runner
from core.training.session import DesiredSession
from core.training.session_runner import SessionRunner

LONG_SECONDS = 3_600.0
"""Longer than any test may take."""


class Recorder:
    """Of a session that a person stops while an attempt is on, which fails."""

    def __init__(self, session) -> None:
        self.session, self.happened = session, []
        self.files = SimpleNamespace(checkpoints_of=lambda _: "checkpoints", data_sets_of=lambda _: "data")

    def begin(self, session):
        return session

    def look(self, session):
        return self.session

    def failed_attempt(self, session, error, *, attempt):
        self.happened.append(f"attempt {attempt}")
        return session

    def stopped(self, session):
        self.happened.append("stopped")
        return session


def a_session(desired: DesiredSession) -> SimpleNamespace:
    training = TrainingSettings()
    return SimpleNamespace(session_id="s-0001", training=training, settings={}, text=None, desired=desired)


@pytest.mark.parametrize("told", [True, False], ids=["announced during the attempt", "never announced"])
def test_a_stop_takes_effect_between_two_attempts(told, monkeypatch):
    monkeypatch.setattr(session_runner, "BACK_OFF", SimpleNamespace(wait_seconds=lambda n: LONG_SECONDS))
    recorder, wake = Recorder(a_session(DesiredSession.RUNNING)), threading.Event()

    def start_child(session):
        if told:  # the announcement is used up before the attempt fails
            recorder.session = a_session(DesiredSession.STOPPED)
        raise CoreError("no child")

    def stop_child():
        if not told:
            later = threading.Timer(0.05, lambda: setattr(recorder, "session", a_session(DesiredSession.STOPPED)))
            later.start()

    runner = SessionRunner(
        recorder.session,
        recorder,
        wake=wake,
        stopping=threading.Event(),
        start_child=start_child,
        stop_child=stop_child,
    )
    began = time.monotonic()
    runner.run()
    assert recorder.happened == ["attempt 1", "stopped"]
    assert time.monotonic() - began < LONG_SECONDS
