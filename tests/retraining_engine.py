"""A real engine in a process of its own that carries a retraining out, and dies at some point.

`python -m tests.retraining_engine ROOT GOAL THREAD N`: it ends once the retraining has ended, or is killed at the n-th
change that a thread makes on the disk; at its end it prints how many that thread has made. The main thread is the
world: time passes, a person lets the candidate go live without waiting for traffic, and where the goal is "restored",
the performance of the new live version falls while it is watched.
"""

import sys
from contextlib import suppress
from pathlib import Path

import core.engine.engine as engine_module
from core.engine import Engine
from core.engine.workers import WORKERS
from core.engine.workers.monitor import Monitor
from core.errors import CoreError
from core.monitoring.documents import ModelMonitoring, PerformancePart, VersionMonitoring
from core.monitoring.monitoring_store import MonitoringStore
from core.monitoring.verdicts import PerformanceVerdict
from core.registry import Registry
from core.retraining.document import Retraining, RetrainingPhase, RetrainingStep, StepName, StepState
from core.retraining.retrainings import Retrainings
from core.rollout import DesiredRollout, Rollouts
from core.state import Workspace
from tests.clocks import START, HandClock
from tests.processes import Death
from tests.retraining_world import ANA, MODEL
from tests.waiting import until


def main(root: Path, goal: str, thread: str, dies_at: int) -> int:
    """Run until the retraining has ended."""
    workspace = Workspace.open(root)
    clock = HandClock(START)
    retrainings, rollouts = Retrainings(workspace, clock=clock), Rollouts(workspace, clock=clock)
    (asked,) = retrainings.all()
    newest = max(asked.updated_at, *(each.updated_at for each in rollouts.all()), START)
    clock.pass_by((newest - START).total_seconds() + 1)
    engine_module.WORKERS = tuple(worker for worker in WORKERS if worker is not Monitor)  # the world tells
    death = Death(dies_at, thread=f"engine-{thread}")
    death.await_it()
    engine = Engine(workspace, mode="headless", actor=ANA, clock=clock)
    engine.start()

    def step() -> bool:
        found = retrainings.get(asked.retraining_id)
        with suppress(CoreError):  # the engine was faster, or ended the rollout
            _let_live(rollouts)
        current = found.observed.current
        if not _computes(current):  # how long a child computes moves no clock
            clock.pass_by(1)
        if found.observed.phase is RetrainingPhase.RUNNING and current is not None and current.name is StepName.WATCH:
            if goal == "live":
                clock.pass_by(3600)
            else:
                _let_fall(workspace, clock, found)
        return not found.is_active

    def seen() -> object:
        return retrainings.get(asked.retraining_id).observed

    until(step, "the end of the retraining", told=seen, progress=seen)
    engine.stop()
    print(death.n_points)
    return 0


def _computes(step: RetrainingStep | None) -> bool:
    return step is not None and step.name.computes and step.state is StepState.RUNNING


def _let_live(rollouts: Rollouts) -> None:
    for rollout in rollouts.all():
        if rollout.is_active and rollout.is_open and rollout.desired is DesiredRollout.RUNNING:
            rollouts.promote_now(rollout.rollout_id, actor=ANA, reason="seen enough")


def _let_fall(workspace: Workspace, clock: HandClock, found: Retraining) -> None:
    live = Registry(workspace).production(MODEL)
    if live is None or live.version != found.observed.challenger:
        return
    fell = PerformancePart(as_of=clock.now, verdict=PerformanceVerdict.FELL, reason="MAE 90, held out 30")
    seen = VersionMonitoring(version=live.version, role="stable", performance=fell)
    MonitoringStore(workspace).write([ModelMonitoring(model=MODEL, versions=(seen,), updated_at=clock.now)])


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])))
