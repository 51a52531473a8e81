"""Kill -9 of a real engine between deciding, sending and noting: each alert is heard, under one name."""

import sys

import pytest

from core.alerts import Alerts
from core.alerts.delivery.outbox import Outbox
from core.alerts.delivery.records import NotificationState
from core.clock import utc_now
from core.state import Workspace
from tests.alert_receivers import http_receiver
from tests.processes import printed_unless_killed


def run_engine(workspace, url, thread="none", dies_at=0):
    """Run an engine until all is delivered; return whether it was killed before."""
    command = [sys.executable, "-m", "tests.core.engine.notifying_engine", str(workspace.root), url, thread]
    outbox = Outbox(workspace)
    printed = printed_unless_killed([*command, str(dies_at)], "the deliveries", progress=outbox.all)
    return printed is None


@pytest.mark.crash
@pytest.mark.parametrize(
    ("thread", "step"), [("engine-notifier", 7), ("notify-ops", 4)], ids=["while it decides", "while it sends"]
)
def test_a_killed_engine_loses_no_notification_and_repeats_none_under_another_name(tmp_path, thread, step, is_long):
    n_kills, dies_at = 0, 1
    while n_kills < (200 if is_long else 4):
        workspace = Workspace.create(tmp_path / f"{n_kills}", settings_text="{}\n")
        Alerts(workspace).fire("gate_failed", labels={"gate": "a"}, summary="coverage", now=utc_now())
        with http_receiver() as http:
            was_killed = run_engine(workspace, http.url(), thread, dies_at)
            if was_killed:
                run_engine(workspace, http.url())
            names = [request.headers["idempotency-key"] for request in http.requests]
        assert len(set(names)) == 1
        assert len(names) <= 1 + was_killed
        (delivery,) = Outbox(workspace).all()
        assert delivery.state is NotificationState.DELIVERED
        assert [attempt.result for attempt in delivery.attempts][-1] == "delivered"
        if not was_killed:
            break
        n_kills += 1
        dies_at += 1 if is_long else step
    assert n_kills >= 2
