"""From the trigger of an alert to its delivery: a real engine, a real receiver on loopback. Goal: 30 s at most.

`python benchmarks/bench_alert_delivery.py [--alerts 20] [--slow-alerts 3] [--group-wait 10s]` measures three ways:

- an event, posted to an Alertmanager of `alerts.alertmanagers`: nothing waits;
- an event, told to the webhook of a route with `group_wait`;
- a rule of a rule file whose condition begins to hold, evaluated every 15 s, told to the same webhook.

Triggers come from another process than the engine's; the seconds end when the request is there.
"""

import argparse
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from core.actor import Actor, Origin
from core.alerts import Alerts
from core.clock import utc_now
from core.engine import Engine
from core.state import Workspace
from tests.alert_receivers import HttpReceiver

GOAL_SECONDS = 30.0
MOST_SECONDS = 4 * GOAL_SECONDS
ROUTING = """
route: {{receiver: desk, group_by: ['...'], group_wait: {group_wait}}}
receivers: [{{name: desk, webhook_configs: [{{url: '{url}'}}]}}]
"""


def run_engine(root: str, ready, done) -> None:
    engine = Engine(Workspace.open(Path(root)), mode="headless", actor=Actor("bench", "desk", Origin.COMMAND_LINE))
    engine.start()
    ready.set()
    done.wait()
    engine.stop()


def measure(name: str, settings: str, group_wait: str, trigger: Callable[[Workspace, str], object], n: int) -> bool:
    """Trigger alerts one after the other, print the seconds, and return whether the goal holds."""
    receiver = HttpReceiver()
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.create(Path(folder) / "w", settings_text=settings.format(url=receiver.url()))
        (workspace.root / "routing.yaml").write_text(ROUTING.format(url=receiver.url(), group_wait=group_wait))
        engine = context.Process(target=run_engine, args=(str(workspace.root), ready, done))
        engine.start()
        ready.wait()
        seconds = []
        for number in range(n):
            began = time.perf_counter()
            trigger(workspace, f"Bench{number}x")
            while not any(f"Bench{number}x".encode() in request.body for request in receiver.requests):
                if time.perf_counter() - began > MOST_SECONDS:
                    print(f"{name}: an alert was not delivered within {MOST_SECONDS:g} s")
                    break
                time.sleep(0.005)
            seconds.append(time.perf_counter() - began)
        done.set()
        engine.join()
    receiver.close()
    worst = max(seconds)
    print(f"{name}: {n} alerts, trigger to delivery: median {statistics.median(seconds):.2f} s, worst {worst:.2f} s")
    return worst <= GOAL_SECONDS


def event(workspace: Workspace, name: str) -> None:
    Alerts(workspace).fire("gate_failed", labels={"gate": name}, summary="coverage", now=utc_now())


def rule(workspace: Workspace, name: str) -> None:
    text = f"groups:\n- name: bench\n  rules:\n  - alert: {name}\n    expr: vector(1) > 0\n"
    (workspace.root / "bench.rules.yaml").write_text(text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alerts", type=int, default=20)
    parser.add_argument("--slow-alerts", type=int, default=3)
    parser.add_argument("--group-wait", default="10s")
    args = parser.parse_args()
    routed = "alerts: {{routing: routing.yaml, ready_made: false, rules: ['bench.rules.yaml']}}\n"
    wait = args.group_wait
    results = [
        measure("event to an Alertmanager", "alerts: {{alertmanagers: ['{url}']}}\n", wait, event, args.alerts),
        measure(f"event, group_wait {wait}", routed, wait, event, args.slow_alerts),
        measure(f"rule, group_wait {wait}", routed, wait, rule, args.slow_alerts),
    ]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
