"""The summary of a shift: what fired, who decided, what was changed, who was here."""

import os
from datetime import timedelta

import pytest

from core.actor import Actor, Origin
from core.alerts import Alerts
from core.alerts.selecting import read_matchers
from core.alerts.silences import Silences
from core.clock import utc_now
from core.errors import UsageError
from core.governance import audited
from core.view.shift import MAX_ITEMS, shift_summary, start_of_shift

ANA = Actor("ana", "desk-4", Origin.CONSOLE)
BEN = Actor("ben", "desk-4", Origin.API)
LABELS = {"model": "spread", "version": "1.0.0"}


@pytest.fixture
def long_ago(workspace):
    """Settings that were edited before every shift."""
    at = (utc_now() - timedelta(days=30)).timestamp()
    os.utime(workspace.settings_file, (at, at))


def test_a_shift_tells_what_fired_who_took_it_and_what_changed(workspace, long_ago):
    start = utc_now()
    alerts = Alerts(workspace)
    fired = alerts.fire("hash_mismatch", labels=LABELS, summary="spread 1.0.0 was changed", now=start)
    alerts.acknowledge(fired.fingerprint, ANA, reason="mine")
    Silences(workspace).add(read_matchers("model=spread"), BEN, comment="repair", ends_at=start + timedelta(hours=1))
    with audited(workspace, "registry", actor=BEN, reason="better") as change:
        change.record("version.promote", "spread/1.1.0", after={"stage": "Production"})
    with audited(workspace, "sessions", actor=Actor.engine()) as change:
        change.record("session.begin", "s-0001")
    with audited(workspace, "registry", actor=Actor.engine(), reason="harm") as change:
        change.record("version.rollback", "spread", after={"production": "1.0.0"})
    summary = shift_summary(workspace, start, utc_now())
    assert [(each.summary, each.state, each.n_fired) for each in summary.fired] == [
        ("spread 1.0.0 was changed", "acknowledged", 1)
    ]
    assert [(each.what, each.who.partition("@")[0], each.reason) for each in summary.decisions] == [
        ("silenced", "ben", "repair"),
        ("acknowledged", "ana", "mine"),
    ]
    assert [each.what for each in summary.changes] == ["version.rollback", "version.promote"]
    assert [(each.who.partition("@")[0], each.n_changes, each.through) for each in summary.people] == [
        ("ben", 2, ("api",)),
        ("ana", 1, ("console",)),
    ]
    assert str(summary) == "1 alert fired, 2 decisions about alerts, 2 changes"
    later = utc_now()
    assert shift_summary(workspace, later, later).is_quiet


def test_every_item_is_counted_where_not_every_one_is_listed(workspace, long_ago):
    start = utc_now()
    for number in range(MAX_ITEMS + 1):
        with audited(workspace, "registry", actor=ANA) as change:
            change.record("version.tag", f"spread/1.0.{number}")
    summary = shift_summary(workspace, start, utc_now())
    assert len(summary.changes) == MAX_ITEMS
    assert summary.counts["changes"] == MAX_ITEMS + 1


def test_an_edited_settings_file_is_a_change(workspace):
    start = utc_now() - timedelta(hours=1)
    at = (start + timedelta(minutes=1)).timestamp()
    os.utime(workspace.settings_file, (at, at))
    (change,) = shift_summary(workspace, start, utc_now()).changes
    assert (change.what, change.object) == ("settings", "bondx.yaml")


def test_a_shift_begins_where_a_person_says():
    now = utc_now()
    assert now - start_of_shift(None, now) == now - start_of_shift("8h", now) == timedelta(hours=8)
    assert start_of_shift("2026-03-01T02:50", now).hour == 2
    for text in ("soon", "8x", "0h", "9999-01-01T00:00", "9999w", ""):
        with pytest.raises(UsageError):
            start_of_shift(text, now)
