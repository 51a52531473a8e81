"""Is the workspace alive, and is it ready: the engine, each of its workers, the lease, the stores and the breakers.

The facts are those of `system_health_report.json`, which the engine writes every ten seconds, of the lease, and of the
stores themselves. Live means that restarting the engine would not help; ready means that everything works now.
"""

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from core.clock import Clock, utc_now
from core.errors import CoreError, NotFoundError
from core.escape import spelled_out
from core.maintenance.breakers import BreakerHealth, breakers_of
from core.maintenance.state_files import state_files
from core.maintenance.system_health import SystemHealth, WorkerActivity, WorkerState, read_health
from core.state.generation import load
from core.state.lease import read_lease
from core.state.workspace import Workspace
from core.state.write_health import write_problem
from core.telemetry.errors import translated
from core.telemetry.schema import connect_to_read

STUCK_AFTER = timedelta(minutes=15)
"""After this long in one step a worker counts as stuck; the trainer's step lasts as long as a session."""
_MAY_TAKE_LONG = frozenset({"trainer"})


class WorkerHealth(msgspec.Struct, frozen=True, kw_only=True):
    """A worker of the engine."""

    name: str
    activity: WorkerActivity
    is_live: bool  # its thread makes progress
    is_ready: bool  # its last step succeeded
    age_seconds: float  # since it last began or ended a step
    n_failures: int
    last_failure: str | None


class StoreHealth(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the workspace that everything rests on."""

    name: str  # "state/registry.json"
    is_ready: bool
    age_seconds: float  # since it was last written
    problem: str


class WorkspaceHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The health of a workspace now."""

    as_of: datetime
    is_live: bool
    is_ready: bool
    engine: str  # "running", "stopped", "silent", "not running"
    lease: str  # who holds it: "ana@desk, pid 4711, headless"; empty if nobody does
    report_age_seconds: float | None  # of the engine's last report; None if there is none
    workers: tuple[WorkerHealth, ...]
    stores: tuple[StoreHealth, ...]
    breakers: tuple[BreakerHealth, ...]
    problems: tuple[str, ...]  # a sentence each


def examine_health(workspace: Workspace, clock: Clock = utc_now) -> WorkspaceHealth:
    """Look at the engine, its workers, the lease, the stores and the breakers; nothing is changed.

    Args:
        workspace: The workspace.
        clock: The time.
    """
    now = clock()
    holder = read_lease(workspace)
    report, problems = _report_of(workspace)
    is_of_holder = report is not None and holder is not None and report.engine.pid == holder.pid
    workers: tuple[WorkerHealth, ...] = ()
    if holder is None:
        engine = "not running"
        problems.append("No engine is running: start one with bondx run --headless, or in a console.")
    elif holder.silence is not None:
        engine = "silent"
        problems.append(f"{holder.silence}.")
    else:
        engine = "running"
    if report is not None and is_of_holder:
        problems += report.problems(now)
        workers = tuple(worker_health(name, state, now) for name, state in report.workers.items())
        problems += [
            f"The worker {worker.name} has been in one step for {worker.age_seconds:.0f} s: it may hang."
            for worker in workers
            if not worker.is_live and worker.activity is WorkerActivity.WORKING
        ]
    stores = tuple(_stores(workspace, now))
    problems += [f"{store.name}: {store.problem}." for store in stores if not store.is_ready]
    if (unwritable := write_problem(workspace.root)) is not None:
        problems.append(f"{unwritable[:1].upper()}{unwritable[1:]}")
    has_written = report is not None and is_of_holder and not report.is_stale(now)
    is_live = engine == "running" and (has_written or not is_of_holder) and all(worker.is_live for worker in workers)
    return WorkspaceHealth(
        as_of=now,
        is_live=is_live,
        is_ready=is_live and has_written and not problems,
        engine=engine,
        lease="" if holder is None else f"{holder.user}@{holder.host}, pid {holder.pid}, {holder.mode}",
        report_age_seconds=None if report is None else max(0.0, (now - report.as_of).total_seconds()),
        workers=workers,
        stores=stores,
        breakers=tuple(_breakers(workspace, workers)),
        problems=tuple(dict.fromkeys(map(spelled_out, problems))),
    )


def _report_of(workspace: Workspace) -> tuple[SystemHealth | None, list[str]]:
    try:
        return read_health(workspace), []
    except NotFoundError:
        return None, []
    except CoreError as error:
        return None, [str(error)]


def worker_health(name: str, state: WorkerState, now: datetime) -> WorkerHealth:
    """Judge a worker by what it does, and since when."""
    age = now - state.since
    hangs = state.activity is WorkerActivity.WORKING and age > STUCK_AFTER and name not in _MAY_TAKE_LONG
    return WorkerHealth(
        name=name,
        activity=state.activity,
        is_live=state.activity is not WorkerActivity.STOPPED and not hangs,
        is_ready=state.activity in (WorkerActivity.WORKING, WorkerActivity.WAITING) and not hangs,
        age_seconds=max(0.0, age.total_seconds()),
        n_failures=state.n_failures,
        last_failure=state.last_failure,
    )


def _stores(workspace: Workspace, now: datetime) -> Iterator[StoreHealth]:
    for file in state_files(workspace):
        yield _store(workspace, file, now, _problem_of_state(file))
    for file in sorted(workspace.telemetry_file.parent.glob("*.db")):
        yield _store(workspace, file, now, _problem_of_telemetry(file))


def _store(workspace: Workspace, file: Path, now: datetime, problem: str) -> StoreHealth:
    try:
        age = now.timestamp() - os.stat(file).st_mtime
    except OSError:
        age = 0.0
    name = str(file.relative_to(workspace.root))
    return StoreHealth(name=name, is_ready=not problem, age_seconds=max(0.0, age), problem=problem)


def _problem_of_state(file: Path) -> str:
    try:
        load(file)
    except (CoreError, OSError) as error:
        return str(error).removesuffix(".")
    return ""


def _problem_of_telemetry(file: Path) -> str:
    """Ask a store for its schema: `bondx doctor` reads it whole."""
    try:
        with translated(file), closing(connect_to_read(file)) as store:
            store.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except (CoreError, OSError) as error:
        return str(error).removesuffix(".")
    return ""


def _breakers(workspace: Workspace, workers: tuple[WorkerHealth, ...]) -> Iterator[BreakerHealth]:
    for worker in workers:
        is_open = worker.activity is WorkerActivity.RESTARTING
        problem = f"it restarts after {worker.last_failure}" if is_open else ""
        yield BreakerHealth(name=f"worker {worker.name}", is_open=is_open, next_at=None, problem=problem)
    yield from breakers_of(workspace)
