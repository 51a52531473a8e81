"""From the trigger of an alert to its delivery: a real engine, a real Alertmanager's API on loopback.

`python benchmarks/bench_alert_delivery.py [--alerts 20]`: alerts are fired one after the other in another process than
the engine's, and the seconds are measured from the call of `fire` until the request is there. Goal: 30 s at most.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import multiprocessing

from core.actor import Actor, Origin
from core.alerts import Alerts
from core.clock import utc_now
from core.engine import Engine
from core.state import Workspace
from tests.alert_receivers import HttpReceiver

GOAL_SECONDS = 30.0


def run_engine(root: str, ready, done) -> None:
    engine = Engine(Workspace.open(Path(root)), mode="headless", actor=Actor("bench", "desk", Origin.COMMAND_LINE))
    engine.start()
    ready.set()
    done.wait()
    engine.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alerts", type=int, default=20)
    n_alerts = parser.parse_args().alerts
    receiver = HttpReceiver()
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    with tempfile.TemporaryDirectory() as folder:
        settings = f"alerts:\n  alertmanagers: ['{receiver.url()}']\n"
        workspace = Workspace.create(Path(folder) / "w", settings_text=settings)
        engine = context.Process(target=run_engine, args=(str(workspace.root), ready, done))
        engine.start()
        ready.wait()
        alerts, seconds = Alerts(workspace), []
        for n in range(n_alerts):
            began = time.perf_counter()
            alert = alerts.fire("gate_failed", labels={"gate": f"g{n}"}, summary="coverage", now=utc_now())
            while not any(f'"g{n}"'.encode() in request.body for request in receiver.requests):
                if time.perf_counter() - began > 2 * GOAL_SECONDS:
                    print(f"{alert.fingerprint} was not delivered")
                    return 1
                time.sleep(0.005)
            seconds.append(time.perf_counter() - began)
        done.set()
        engine.join()
    worst = max(seconds)
    print(f"{n_alerts} alerts, trigger to delivery: median {statistics.median(seconds):.2f} s, worst {worst:.2f} s")
    return 0 if worst <= GOAL_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
