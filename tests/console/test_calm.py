"""No face says that nothing is wrong while nobody looks, or while what was read is old."""

from dataclasses import replace
from datetime import timedelta

import pytest

from console.cli.main import main
from console.commands.status import _sentences, facts_of
from console.presentation import calm
from console.presentation.alerts import known_facts
from core.alerts import Alerts
from core.state import Lease, LeaseHolder
from core.view.source import SnapshotSource
from tests.console.conftest import NOW
from tools.demo import OPERATOR

AT_WORK = LeaseHolder(user="mira", host="desk-4", pid=4711, mode="headless", acquired_at=NOW)
SILENT = LeaseHolder(
    user="mira", host="desk-4", pid=4711, mode="headless", acquired_at=NOW, silent_since=NOW - timedelta(minutes=2)
)
SENTENCES = (calm.nothing_wrong, calm.no_alerts, calm.none_open)


@pytest.fixture
def quiet(workspace):
    """A workspace whose alerts are all resolved."""
    alerts = Alerts(workspace)
    for alert in alerts.open():
        alerts.resolve(alert.fingerprint, OPERATOR, reason="done")
    return workspace


def seen(workspace, **fields):
    return replace(SnapshotSource(workspace, clock=lambda: NOW).take(), **fields)


@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda sentence: sentence.__name__)
def test_only_an_engine_at_work_makes_an_empty_list_good_news(workspace, sentence):
    good = sentence(seen(workspace, engine=AT_WORK))
    assert "but" not in good
    assert sentence(seen(workspace, engine=None)).endswith("but no engine is running, so nothing is checked.")
    assert sentence(seen(workspace, engine=SILENT)).endswith("but the engine is silent, so nothing is checked.")
    unknown = "Unknown: the workspace cannot be read now."
    assert sentence(seen(workspace, engine=AT_WORK, unreadable=frozenset({"alerts"}))) == unknown
    assert sentence(seen(workspace, engine=AT_WORK), is_old=True) == unknown


def test_status_knows_no_alerts_only_while_an_engine_looks_and_they_can_be_read(workspace):
    def told(**fields):
        facts = facts_of(seen(workspace, alerts=(), versions=(), models=(), transitions={}, **fields))
        return [text for name, text in _sentences(facts, n_alerts=None) if name in ("alert", "production")]

    assert told(engine=AT_WORK) == ["nothing", "none"]
    assert told(engine=None)[1] == "none open, but no engine is running, so nothing is checked"
    assert told(engine=SILENT)[1] == "none open, but the engine is silent, so nothing is checked"
    broken = told(engine=AT_WORK, unreadable=frozenset({"alerts", "registry"}))
    assert broken == ["unknown: it cannot be read", "unknown: they cannot be read"]


def test_status_says_before_open_alerts_that_nothing_evaluates_them(workspace):
    def told(**fields):
        facts = facts_of(seen(workspace, **fields))
        return [text for name, text in _sentences(facts, n_alerts=None) if name == "alert"]

    here = told(engine=AT_WORK)
    assert here
    assert told(engine=None) == ["no engine is running, so nothing is evaluated", *here]
    ended = told(engine=None, engine_left_at=NOW)[0]
    assert ended.startswith("as of 2026-03-02")
    assert ended.endswith("no engine is running, so nothing is evaluated")
    assert told(engine=SILENT)[0].endswith(": the engine is silent, so nothing is evaluated")


def test_the_list_of_open_alerts_says_that_nothing_looks(quiet, called):
    code, out, _ = called(main, "--workspace", quiet.root, "alerts", "list")
    assert (code, out.strip()) == (0, "no open alerts, but no engine is running, so nothing is checked")
    out = called(main, "--workspace", quiet.root, "status", "--plain")[1]
    assert "alert: none open, but no engine is running, so nothing is checked" in out


async def test_a_console_that_cannot_look_does_not_call_its_workspace_well(open_console, quiet, monkeypatch):
    async with open_console((160, 48)) as console:
        console.app.snapshot = replace(
            console.app.snapshot, alerts=(), sessions=(), rollouts=(), models=(), engine=AT_WORK
        )
        console.screen.refresh_all()
        await console.settled()
        assert "Nothing is wrong." in console.text()
        monkeypatch.setattr(console.app, "silence", lambda: 60.0)
        console.screen.tick()
        await console.settled()
        assert "Nothing is wrong." not in console.text()
        assert "Unknown: the workspace cannot be read now." in console.text()
        assert "alerts unknown" in console.text()
        await console.press("5")
        console.app.snapshot = replace(console.app.snapshot, alerts=())
        console.screen.refresh_all()
        await console.settled()
        assert "No recent alerts" not in console.text()
        assert "No alert is open" not in console.text()


def test_without_an_engine_alerts_are_said_to_be_as_they_were_when_it_ended(workspace, called):
    assert calm.evaluated_until(seen(workspace, engine=AT_WORK)) == ""
    assert calm.evaluated_until(seen(workspace)) == "no engine is running, so nothing is evaluated"
    ended = calm.evaluated_until(seen(workspace, engine_left_at=NOW))
    assert ended == "as of 2026-03-02 03:04 UTC: no engine is running, so nothing is evaluated"
    silent = calm.evaluated_until(seen(workspace, engine=SILENT))
    assert silent == "as of 2026-03-02 03:02 UTC: the engine is silent, so nothing is evaluated"
    alert = Alerts(workspace).open()[0]
    (state, *_), known, *_ = known_facts(alert, seen(workspace, engine_left_at=NOW), NOW)
    assert (state, known) == ("state", ("known", ended))
    assert "known" not in dict(known_facts(alert, seen(workspace, engine=AT_WORK), NOW))


def test_the_list_of_alerts_says_until_when_an_engine_looked(workspace, called):
    with Lease.acquire(workspace, OPERATOR, "headless"):
        assert "nothing is evaluated" not in called(main, "--workspace", workspace.root, "alerts", "list")[2]
    told = called(main, "--workspace", workspace.root, "alerts", "list")[2]
    assert "as of 20" in told
    assert told.strip().endswith("no engine is running, so nothing is evaluated")


def test_status_tells_no_epochs_of_a_session_that_has_none_and_no_wait_of_one_that_is_paused(workspace):
    facts = facts_of(seen(workspace, engine=None))
    session = facts["sessions"][0] | {"score": None, "failing_gates": []}

    def told(**fields):
        lines = _sentences(facts | {"sessions": [session | fields]}, n_alerts=None)
        return next(text for name, text in lines if name == "session").removeprefix(session["session_id"])

    waiting = "; waiting: no engine is running"
    assert told(phase="queued", epoch=0, n_epochs=0) == f" queued{waiting}"
    assert told(phase="queued", epoch=0, n_epochs=9) == f" queued, epoch 0 of 9{waiting}"
    assert told(phase="paused", epoch=2, n_epochs=9) == " paused, epoch 2 of 9"
