"""The metrics of a workspace, without a server around them."""

from types import SimpleNamespace

import pytest

from core.alerts import Alerts
from core.clock import utc_now
from core.serving.counts import Counts
from core.serving.metrics import ServingMetrics
from core.view.source import take_snapshot


@pytest.fixture
def lines(workspace):
    """Render the metrics of the workspace."""
    nothing_stored = SimpleNamespace(usage=lambda: None)
    metrics = ServingMetrics(workspace, Counts, nothing_stored, lambda: take_snapshot(workspace))
    return lambda: metrics.text().decode().splitlines()


def test_open_alerts_name_their_rule_and_their_model(workspace, lines):
    now = utc_now()
    for labels in ({"model": "spread", "session": "s-0001"}, {"model": "spread", "session": "s-0002"}, {}):
        Alerts(workspace).fire("gate_failed", labels=labels, summary="x", now=now)
    severity = Alerts(workspace).all()[0].severity
    told = [line for line in lines() if line.startswith("bondx_alerts{")]
    assert told == [
        f'bondx_alerts{{model="",rule="gate_failed",severity="{severity}",state="firing"}} 1.0',
        f'bondx_alerts{{model="spread",rule="gate_failed",severity="{severity}",state="firing"}} 2.0',
    ]
