"""An engine's pipeline in a process of its own: `python -m tests.retraining_process ROOT DIES_AT GOAL`.

It drives the one retraining to its end as fast as its steps allow: its clock moves with each look, and a person lets
the candidate go live without waiting for traffic. It dies at the n-th change that it makes on the disk; if it comes to
the end, it prints how many it has made.
"""

import sys
from datetime import timedelta
from pathlib import Path

from core.retraining.document import DesiredRetraining, RetrainingPhase, StepName
from core.rollout import DesiredRollout
from core.state import Workspace
from tests.clocks import START, HandClock
from tests.processes import Death
from tests.retraining_world import ANA, World
from tests.waiting import until


def main(root: Path, dies_at: int, goal: str) -> int:
    """Drive the pipeline; a goal other than live is reached by a person's cancellation while it is watched."""
    death = Death(dies_at)
    workspace = Workspace.open(root)
    clock = HandClock(START)
    world = World(workspace, clock)
    (asked,) = world.retrainings.all()
    clock.now = max(asked.updated_at, *(each.updated_at for each in world.rollouts.all()), START) + timedelta(seconds=1)
    death.await_it()

    def step() -> bool:
        world.step()
        found = world.retrainings.get(asked.retraining_id)
        for rollout in world.rollouts.all():
            if rollout.is_active and rollout.is_open and rollout.desired is DesiredRollout.RUNNING:
                world.rollouts.promote_now(rollout.rollout_id, actor=ANA, reason="seen enough")
        current = found.observed.current
        if found.observed.phase is RetrainingPhase.RUNNING and current is not None and current.name is StepName.WATCH:
            if goal == "live":
                clock.pass_by(3600)
            elif found.desired is DesiredRetraining.RUNNING:
                world.retrainings.cancel(asked.retraining_id, actor=ANA, reason="the wrong month")
        return not found.is_active

    def seen() -> object:
        return world.retrainings.get(asked.retraining_id).observed

    until(step, "the end of the retraining", told=seen, progress=seen)
    world.pipeline.close()
    print(death.n_points)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
