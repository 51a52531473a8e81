"""Moving traffic to a version, judged at every request, and rolled back when the evidence says so.

strategies.py  how traffic may move: canary, blue-green, A/B, shadow
plan.py        the plan of a rollout: steps, shares, dwell times, guards
eprocess.py    evidence on rates of failure; ceilings.py where there is nothing to compare; means.py on means
evidence.py    the observations so far, guard by guard
readings.py    evidence -> each guard's verdict, with effect, interval and time to a decision
judgement.py   plan + readings + now -> verdict
experiment.py  which side of an A/B split is better
rollout.py     the document: what people want, what the engine observed
progress.py    verdicts and wishes -> the next state of a rollout
rollouts.py    the verbs; planner.py previews a start, rollout_records.py keeps the documents
held_versions.py  the holds and warnings that the registry reads
slices.py      the levels of the slice columns; read_columns.py finds the columns of a version
sliced_sums.py, slice_readings.py  the comparison by level; difference_sums.py how far the answers of both differ
expectations.py  how long each verdict takes in the usual traffic (usual_traffic.py); expectation_text.py says so
routing.py     which version answers which request
source.py      where a worker reads the served requests
worker.py      the engine's turn: read, judge, take the next step; rollout_alerts.py alerts people
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.rollout.disagreement import Disagreement
    from core.rollout.errors import NotRoutedError, RolloutActiveError, RolloutRefusedError
    from core.rollout.experiment import ExperimentVerdict, Winner
    from core.rollout.judgement import RolloutVerdict, VerdictOutcome
    from core.rollout.plan import Guard, GuardSource, RolloutPlan, RolloutStep, make_plan
    from core.rollout.planner import RolloutProposal
    from core.rollout.readings import GuardReading, GuardVerdict
    from core.rollout.rollout import DesiredRollout, ObservedRollout, Rollout, RolloutEvent, RolloutPhase
    from core.rollout.rollouts import Rollouts
    from core.rollout.routing import Route, Router, RoutingTable, routing_tables
    from core.rollout.strategies import Strategy
    from core.rollout.worker import RolloutWorker
    from core.telemetry.predictions import Arm

__all__ = [
    "Arm",
    "DesiredRollout",
    "Disagreement",
    "ExperimentVerdict",
    "Guard",
    "GuardReading",
    "GuardSource",
    "GuardVerdict",
    "NotRoutedError",
    "ObservedRollout",
    "Rollout",
    "RolloutActiveError",
    "RolloutEvent",
    "RolloutPhase",
    "RolloutPlan",
    "RolloutProposal",
    "RolloutRefusedError",
    "RolloutStep",
    "RolloutVerdict",
    "RolloutWorker",
    "Rollouts",
    "Route",
    "Router",
    "RoutingTable",
    "Strategy",
    "VerdictOutcome",
    "Winner",
    "make_plan",
    "routing_tables",
]

# The home of every name, imported on first use: showing a rollout needs none of the statistics behind a verdict.
_HOMES = {
    "Arm": "core.telemetry.predictions",
    "Disagreement": "core.rollout.disagreement",
    "DesiredRollout": "core.rollout.rollout",
    "RolloutEvent": "core.rollout.rollout",
    "ExperimentVerdict": "core.rollout.experiment",
    "Guard": "core.rollout.plan",
    "GuardVerdict": "core.rollout.readings",
    "NotRoutedError": "core.rollout.errors",
    "ObservedRollout": "core.rollout.rollout",
    "VerdictOutcome": "core.rollout.judgement",
    "RolloutPhase": "core.rollout.rollout",
    "GuardReading": "core.rollout.readings",
    "Rollout": "core.rollout.rollout",
    "RolloutActiveError": "core.rollout.errors",
    "RolloutPlan": "core.rollout.plan",
    "RolloutProposal": "core.rollout.planner",
    "RolloutRefusedError": "core.rollout.errors",
    "RolloutWorker": "core.rollout.worker",
    "Rollouts": "core.rollout.rollouts",
    "Route": "core.rollout.routing",
    "Router": "core.rollout.routing",
    "RoutingTable": "core.rollout.routing",
    "GuardSource": "core.rollout.plan",
    "RolloutStep": "core.rollout.plan",
    "Strategy": "core.rollout.strategies",
    "RolloutVerdict": "core.rollout.judgement",
    "Winner": "core.rollout.experiment",
    "make_plan": "core.rollout.plan",
    "routing_tables": "core.rollout.routing",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
