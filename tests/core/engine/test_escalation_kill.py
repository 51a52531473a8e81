"""Kill -9 of a real engine between any two steps of routing, escalation and delivery, of a firing and of its end.

Whatever the point: each receiver hears once that the alert fires and once that it ended, in this order. A message whose
answer was not noted is repeated under the same key, by which a receiver knows it.
"""

import sys

import pytest

from core.alerts import Alerts
from core.alerts.delivery.outbox import Outbox
from core.alerts.delivery.records import NotificationState
from core.clock import utc_now
from core.state import Workspace
from tests.alert_receivers import http_receiver
from tests.processes import printed_unless_killed

ROUTING = """
route: {{receiver: ops, group_wait: 0s, group_interval: 1s}}
receivers:
  - name: ops
    webhook_configs: [{{url: '{ops}'}}]
  - name: night
    webhook_configs: [{{url: '{night}'}}]
"""
SETTINGS = """
alerts:
  routing: alertmanager.yaml
  escalation: [{steps: [{after_minutes: 0, receivers: [night]}]}]
"""
LABELS = {"gate": "coverage"}


def run_engine(workspace, n_deliveries, *, thread="none", dies_at=0):
    """Run an engine until so many messages are delivered; return whether it was killed before."""
    command = [sys.executable, "-m", "tests.core.engine.routing_engine", str(workspace.root), str(n_deliveries)]
    outbox = Outbox(workspace)
    printed = printed_unless_killed([*command, thread, str(dies_at)], "the deliveries", progress=outbox.all)
    return printed is None


def run_with_a_kill(workspace, n_deliveries, thread, dies_at):
    was_killed = run_engine(workspace, n_deliveries, thread=thread, dies_at=dies_at)
    if was_killed:
        run_engine(workspace, n_deliveries)
    return was_killed


@pytest.mark.crash
@pytest.mark.parametrize(("thread", "points"), [("engine-notifier", (9,)), ("notify-ops", (4,))], ids=str)
def test_a_killed_engine_tells_each_receiver_of_the_beginning_and_of_the_end_once(thread, points, tmp_path, is_long):
    n_kills = 0
    for dies_at in range(1, 500) if is_long else points:
        workspace = Workspace.create(tmp_path / f"{dies_at}", settings_text=SETTINGS)
        alerts = Alerts(workspace)
        with http_receiver() as http:
            file = workspace.root / "alertmanager.yaml"
            file.write_text(ROUTING.format(ops=http.url("/ops"), night=http.url("/night")))
            alerts.fire("gate_failed", labels=LABELS, summary="coverage", now=utc_now())
            kills = [run_with_a_kill(workspace, 2, thread, dies_at)]
            alerts.clear("gate_failed", labels=LABELS, now=utc_now())
            kills.append(run_with_a_kill(workspace, 4, thread, dies_at))
            requests = list(http.requests)
        for path in ("/ops", "/night"):
            heard = [(each.json["status"], each.headers["idempotency-key"]) for each in requests if each.path == path]
            assert [status for status, _ in dict.fromkeys(heard)] == ["firing", "resolved"], path
            assert len(heard) <= 2 + sum(kills)
        deliveries = Outbox(workspace).all()
        assert len(deliveries) == 4
        assert {each.state for each in deliveries} == {NotificationState.DELIVERED}
        n_kills += sum(kills)
        if not any(kills):
            break
    assert n_kills >= 2
