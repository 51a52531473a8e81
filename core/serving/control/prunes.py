"""Removing versions and runs permanently, over HTTP: a plan, then exactly the planned removals."""

from functools import partial
from typing import Annotated

import msgspec
from litestar import Controller, post
from litestar.params import JSONBody
from msgspec import Meta

from core.maintenance.disk_reserve import DiskReserve
from core.maintenance.pruning import PruneResult, Pruning, WorkspacePlan
from core.registry import PruneCandidate, PrunePlan, Registry
from core.serving.authenticator import Caller
from core.serving.control.admission import ADMINISTER, LOOK, Given
from core.serving.errors import PlanChangedError
from core.settings import PolicySource, settings_in_force
from core.state import Workspace
from core.tracking import Run, Runs
from core.training.runs_in_use import runs_in_use

Kept = Annotated[int, Meta(ge=1)]


class VersionsWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The versions to consider."""

    model: str | None = None  # by default all models
    keep: Kept | None = None  # newest versions of each stage to keep; by default the policy's number


class VersionsPrune(VersionsWish, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Versions to remove."""

    expected: list[str]  # "spread/1.0.0" for each version that the plan removes
    reason: str = ""


class RunsWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The number of runs to keep."""

    keep: Kept | None = None  # by default the policy's number


class RunsPrune(RunsWish, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Runs to remove."""

    expected: list[str]  # ids of all runs that the plan removes
    reason: str = ""


class RunsPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Runs that the prune would remove."""

    keep: int
    runs: list[str]  # ids, oldest first


class KindsWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The kinds to prune: runs, versions, rollouts, epochs, reports, stress."""

    kinds: list[str] | None = None  # by default those whose rule is set under retention:


class KindsPrune(KindsWish, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to delete."""

    expected: list[str]  # "runs:r-0001" for each thing that the plan deletes
    reason: str = ""


class PruneRoutes(Controller):
    """Pruning."""

    path = "/prunes"
    tags = ["pruning"]

    @post("/plans", opt=LOOK, status_code=200, sync_to_thread=True)
    def plan_kinds(self, workspace: Given[Workspace], data: JSONBody[KindsWish]) -> WorkspacePlan:
        """List what the retention rules drop, by kind; nothing is deleted."""
        return _plan(workspace, data)[1]

    @post("/", opt=ADMINISTER, status_code=200, sync_to_thread=True)
    def prune_kinds(
        self, workspace: Given[Workspace], caller: Given[Caller], data: JSONBody[KindsPrune]
    ) -> PruneResult:
        """Delete what the retention rules drop, if the reviewed plan still holds; `left` names what could not go."""
        pruning, plan = _plan(workspace, data)
        _same(data.expected, [item.key for item in plan.items])
        return pruning.carry_out(plan, actor=caller.actor, reason=data.reason)

    @post("/versions/plans", opt=LOOK, status_code=200, sync_to_thread=True)
    def plan_versions(self, workspace: Given[Workspace], data: JSONBody[VersionsWish]) -> PrunePlan:
        """List the versions to remove, and the reason why each other version stays; nothing is removed."""
        return Registry(workspace).plan_prune(data.model, keep=data.keep)

    @post("/versions", opt=ADMINISTER, status_code=200, sync_to_thread=True)
    def prune_versions(
        self, workspace: Given[Workspace], caller: Given[Caller], data: JSONBody[VersionsPrune]
    ) -> list[PruneCandidate]:
        """Remove versions with their files, if the reviewed plan still holds."""
        registry = Registry(workspace)
        plan = registry.plan_prune(data.model, keep=data.keep)
        _same(data.expected, [f"{candidate.model}/{candidate.version}" for candidate in plan.doomed])
        delete = partial(registry.prune, plan, actor=caller.actor, reason=data.reason)
        return list(DiskReserve(workspace).lend(delete))

    @post("/runs/plans", opt=LOOK, status_code=200, sync_to_thread=True)
    def plan_runs(self, workspace: Given[Workspace], data: JSONBody[RunsWish]) -> RunsPlan:
        """List the runs to remove: the oldest ended runs without references; nothing is removed."""
        with Runs(workspace) as runs:
            keep = _runs_to_keep(workspace, data)
            doomed = runs.prunable(keep=keep, referenced=runs_in_use(workspace))
            return RunsPlan(keep=keep, runs=[run.run_id for run in doomed])

    @post("/runs", opt=ADMINISTER, status_code=200, sync_to_thread=True)
    def prune_runs(self, workspace: Given[Workspace], caller: Given[Caller], data: JSONBody[RunsPrune]) -> list[Run]:
        """Remove runs, if the reviewed plan still holds."""
        with Runs(workspace) as runs:
            keep, referenced = _runs_to_keep(workspace, data), runs_in_use(workspace)
            doomed = runs.prunable(keep=keep, referenced=referenced)
            _same(data.expected, [run.run_id for run in doomed])
            delete = partial(runs.prune, keep=keep, referenced=referenced, only=data.expected)
            DiskReserve(workspace).lend(partial(delete, actor=caller.actor, reason=data.reason))
            return doomed


def _plan(workspace: Workspace, wish: KindsWish) -> tuple[Pruning, WorkspacePlan]:
    pruning = Pruning(workspace, settings_in_force(workspace.root).retention)
    return pruning, pruning.plan(pruning.automatic() if wish.kinds is None else wish.kinds)


def _runs_to_keep(workspace: Workspace, wish: RunsWish) -> int:
    return wish.keep or PolicySource(workspace.root).policy().tracking.keep_runs


def _same(expected: list[str], found: list[str]) -> None:
    if set(expected) != set(found):
        raise PlanChangedError(expected, found)
