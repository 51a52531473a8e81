"""Alerts that a silence hides: marked in the list, and with the silence in their details, also once it is over."""

from datetime import timedelta

import pytest

from console.presentation.alerts import alert_rows, detail_lines
from core.actor import Actor, Origin
from core.alerts import Alerts
from core.alerts.selecting import read_matchers
from core.alerts.silences import Silences
from core.view.source import SnapshotSource
from tests.clocks import HandClock
from widgets.glyphs import UNICODE

ADA = Actor("ada", "desk", Origin.CONSOLE)


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def alert(workspace, clock):
    ends_at = clock() + timedelta(minutes=10)
    Silences(workspace, clock=clock).add(read_matchers("model=spread"), ADA, comment="feed", ends_at=ends_at)
    return Alerts(workspace, clock=clock).fire("drift_found", labels={"model": "spread"}, summary="moved", now=clock())


def shown(workspace, clock, alert):
    snapshot = SnapshotSource(workspace, clock=clock).take()
    row = next(row for row in alert_rows(snapshot, clock(), UNICODE) if row.key == alert.fingerprint)
    text = "\n".join(line.text for line in detail_lines(alert, snapshot, UNICODE))
    return [cell.text if hasattr(cell, "text") else cell for cell in row.cells], text


def test_the_list_says_silenced_and_the_details_until_when_by_whom_and_why(workspace, clock, alert):
    cells, text = shown(workspace, clock, alert)
    assert "silenced" in cells
    assert "silenced    until 2026-03-02 09:10 UTC (si-" in text
    assert "ada" in text
    assert "feed" in text


def test_once_it_is_over_the_alert_fires_again_and_says_which_silence_ended(workspace, clock, alert):
    clock.pass_by(601)
    cells, text = shown(workspace, clock, alert)
    assert "firing" in cells
    assert "silence     ended 2026-03-02 09:10 UTC (ada" in text
