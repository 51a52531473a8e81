"""How long routing takes with thousands of firing alerts: the first look, one where nothing changed, one with a change.

`python benchmarks/bench_routing.py [--alerts 10000]`: each alert is a group of its own, half of them could inhibit the
others. Goals, as ratios that hold on any machine: a look where nothing changed takes at most a fiftieth of the first
look, and of 4 times as many alerts a look takes at most 8 times as long: it is proportional, and not quadratic.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from core.alerts import Alerts, AlertState, Severity, fingerprint_of
from core.alerts.alert import Alert
from core.alerts.delivery.message import message_of
from core.alerts.delivery.outbox import ChannelTarget, Outbox, OutgoingMessage
from core.alerts.routing.dispatcher import DATABASE, Dispatcher
from core.alerts.routing.reading import load_routing
from core.clock import utc_now
from core.state import Workspace

MOST_OF_THE_FIRST = 1 / 50
MOST_GROWTH = 8.0
ROUTING = """
route:
  receiver: desk
  group_by: [model]
  group_wait: 0s
  routes: [{matchers: [severity=critical], receiver: pager, continue: true}]
receivers: [{name: desk}, {name: pager}]
inhibit_rules:
  - source_matchers: [severity=critical]
    target_matchers: [severity=warning]
    equal: [model]
"""


def alert_of(number: int, at: datetime) -> Alert:
    labels = {"model": f"m{number}", "version": "1.0.0"}
    return Alert(
        fingerprint=fingerprint_of("drift_found", labels),
        rule="drift_found",
        severity=Severity.WARNING if number % 2 else Severity.CRITICAL,
        state=AlertState.FIRING,
        summary="the data moved",
        labels=labels,
        first_at=at - timedelta(minutes=5),
        last_at=at,
    )


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(n_alerts: int) -> dict[str, float]:
    """Return the seconds of each look at a number of alerts."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.create(Path(folder) / "w", settings_text="{}\n")
        file = Path(folder) / "alertmanager.yaml"
        file.write_text(ROUTING)
        now = utc_now()
        database = workspace.database("alerts")
        documents = database.documents("alerts", Alert, "fingerprint")
        with database.transaction():
            documents.insert_all(alert_of(number, now) for number in range(n_alerts))
        alerts, dispatcher, outbox = Alerts(workspace), Dispatcher(workspace, load_routing(file)), Outbox(workspace)
        found = []

        def look(seconds: float) -> None:
            with workspace.database(DATABASE).transaction():
                found[:] = dispatcher.dispatch(alerts.all(), (), now + timedelta(seconds=seconds))[0]

        def queue() -> None:
            target = ChannelTarget("desk", "desk/webhook 1", "webhook")
            outbox.enqueue_all([OutgoingMessage(message_of(each, now=now), (target,)) for each in found])

        seconds = {"first": timed(lambda: look(0))}
        assert len(found) == n_alerts
        seconds["queue"] = timed(queue)
        look(5)
        seconds["unchanged"] = min(timed(lambda at=at: look(at)) for at in (6, 7, 8))
        documents.insert(alert_of(n_alerts, now))
        seconds["one new alert"] = timed(lambda: look(9))
        assert len(found) == 1
        return seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alerts", type=int, default=10_000)
    n_alerts = parser.parse_args().alerts
    few, many = measure(n_alerts // 4), measure(n_alerts)
    for name, seconds in many.items():
        print(f"{name}: {1000 * seconds:.1f} ms with {n_alerts:,} alerts, {1000 * few[name]:.1f} ms with a quarter")
    share = many["unchanged"] / many["first"]
    growth = max(many[name] / few[name] for name in ("first", "queue", "one new alert"))
    print(
        f"unchanged: {share:.4f} of the first look (goal {MOST_OF_THE_FIRST}); growth {growth:.1f} (goal {MOST_GROWTH})"
    )
    return 0 if share <= MOST_OF_THE_FIRST and growth <= MOST_GROWTH else 1


if __name__ == "__main__":
    sys.exit(main())
