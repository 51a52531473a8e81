"""Deleting what the retention rules drop: listed first, then exactly that, each thing whole, with an audit record.

A rule of the `retention` settings is off until it is set; then the engine follows it once an hour. A person may prune
any kind at any time. A process that is killed in the middle leaves what the next prune, or the next engine, completes.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import msgspec

from core.actor import Actor
from core.clock import Clock, utc_now
from core.confinement import link_on_the_way
from core.errors import CoreError, PartlyFailedError, RefusedError, UsageError
from core.files import FileAccessError, remove_tree
from core.governance.audit import audited, require_access
from core.maintenance.disk_reserve import DiskReserve
from core.maintenance.space import bytes_below
from core.progress import begins
from core.registry import Registry
from core.rollout.rollouts import Rollouts
from core.settings import PolicySource
from core.settings.retention import RetentionSettings
from core.state import Workspace
from core.stress.stored_tests import StressTests
from core.telemetry.forgetting import forget_values, values_before
from core.tracking import Runs
from core.tracking.run_reader import DATABASE as RUNS
from core.training.runs_in_use import runs_in_use
from core.training.session import Session
from core.training.session_files import SessionFiles
from core.training.sessions import DATABASE as SESSIONS
from core.training.sessions import Sessions

log = logging.getLogger(__name__)

USUAL_ROLLOUTS = 100
USUAL_EPOCHS = 100_000
USUAL_STRESS_TESTS = 200
USUAL_REPORT_DAYS = 30.0


class Prunable(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a prune would delete."""

    kind: str
    name: str  # "r-0001", "spread/1.0.0", "s-0001"
    what: str
    n_bytes: int | None = None  # None: it is a part of a shared file

    @property
    def key(self) -> str:
        """Its kind and its name, for requests: "runs:r-0001"."""
        return f"{self.kind}:{self.name}"


class KindPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a prune would delete of one kind, and by which rule."""

    kind: str
    rule: str
    is_automatic: bool  # the engine follows the rule once an hour
    items: tuple[Prunable, ...]


class UnlistedKind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind whose things could not be listed, so that none of them would be deleted."""

    kind: str
    why: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.why}"


class WorkspacePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a prune would delete."""

    kinds: tuple[KindPlan, ...]
    unlisted: tuple[UnlistedKind, ...] = ()

    @property
    def items(self) -> tuple[Prunable, ...]:
        """Everything that would be deleted."""
        return tuple(item for kind in self.kinds for item in kind.items)


class LeftThing(msgspec.Struct, frozen=True, kw_only=True):
    """A thing that a prune could not delete, or not whole."""

    kind: str
    name: str
    why: str

    def __str__(self) -> str:
        noun = {"reports": "the reports of ", "versions": "the files of "}.get(self.kind, "")
        return f"{noun}{self.name}: {self.why}"


NOTHING_LEFT_TO_DELETE = "deleted nothing: everything on the list was gone already"
"""For people whose list another process has deleted meanwhile."""


class PruneResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a prune did."""

    kinds: tuple[KindPlan, ...]  # without what was gone already
    left: tuple[LeftThing, ...]

    @property
    def summary(self) -> str:
        """Say in one line what was deleted, and what was left; empty if there was nothing to delete."""
        left = {(thing.kind, thing.name) for thing in self.left}
        n_deleted = {kind.kind: sum((kind.kind, item.name) not in left for item in kind.items) for kind in self.kinds}
        deleted = [_counted(kind, n) for kind, n in n_deleted.items() if n]
        said = f"deleted {', '.join(deleted)}" if deleted else ""
        if self.left:
            said = "; ".join((said or "deleted nothing", *(f"left {thing}" for thing in self.left)))
        return said


class KindNotPrunedError(PartlyFailedError):
    """A prune could not delete the things of some kinds; what it deleted of the others is gone.

    Attributes:
        failures: Why, by kind.
        result: What was deleted all the same.
    """

    def __init__(self, failures: Mapping[str, CoreError], result: PruneResult) -> None:
        self.failures = failures
        self.result = result
        why = " ".join(f"{kind}: {error}" for kind, error in failures.items())
        rest = f" Of the other kinds, the prune {result.summary}." if result.summary else ""
        super().__init__(f"{why}{rest}", next(iter(failures.values())))


class _Kind(ABC):
    """One kind of things with its rule."""

    name: ClassVar[str]

    def __init__(self, workspace: Workspace, settings: RetentionSettings, policy: PolicySource, clock: Clock) -> None:
        self.workspace = workspace
        self.settings = settings
        self.policy = policy
        self.clock = clock

    @property
    @abstractmethod
    def is_automatic(self) -> bool:
        """Whether the settings switch it on."""

    @property
    @abstractmethod
    def rule(self) -> str:
        """Say what stays."""

    @abstractmethod
    def items(self) -> list[Prunable]:
        """List what would be deleted."""

    @abstractmethod
    def present(self, items: Sequence[Prunable]) -> Collection[str]:
        """Name at least those of some things that are still there."""

    @abstractmethod
    def remove(self, items: Sequence[Prunable], *, actor: Actor, reason: str) -> list[LeftThing]:
        """Delete these things, or refuse; return what had to be left."""

    def remove_present(
        self, items: tuple[Prunable, ...], *, actor: Actor, reason: str
    ) -> tuple[tuple[Prunable, ...], list[LeftThing]]:
        """Delete those of some things that no other process has deleted meanwhile.

        Returns:
            These, and what of them had to be left.
        Raises:
            RefusedError: One of them must stay now.
        """
        while items:
            names = self.present(items)
            there = tuple(item for item in items if item.name in names)
            try:
                return there, self.remove(there, actor=actor, reason=reason) if there else []
            except RefusedError:
                names = self.present(there)
                if all(item.name in names for item in there):
                    raise
            items = there  # another process was faster once more
        return (), []

    def complete(self, *, actor: Actor) -> None:
        """Delete what a killed process had begun to delete; the other kinds list it again by themselves."""
        return


class _RunsKind(_Kind):
    name = "runs"

    @property
    def is_automatic(self) -> bool:
        return self.settings.runs is not None

    @property
    def keep(self) -> int:
        return self.settings.runs or self.policy.policy().tracking.keep_runs

    @property
    def rule(self) -> str:
        return f"{self.keep:,} runs stay, and runs that a version, a session or another run needs"

    def items(self) -> list[Prunable]:
        with Runs(self.workspace, clock=self.clock) as runs:
            doomed = runs.prunable(keep=self.keep, referenced=runs_in_use(self.workspace))
        return [Prunable(kind=self.name, name=run.run_id, what=f"run {run.name}, with its metrics") for run in doomed]

    def present(self, items: Sequence[Prunable]) -> Collection[str]:
        with Runs(self.workspace, clock=self.clock) as runs:
            return {run.run_id for run in runs.all()}

    def remove(self, items: Sequence[Prunable], *, actor: Actor, reason: str) -> list[LeftThing]:
        with Runs(self.workspace, clock=self.clock) as runs:
            runs.prune(
                keep=self.keep,
                referenced=runs_in_use(self.workspace),
                only=[item.name for item in items],
                actor=actor,
                reason=reason,
            )
        return []

    def complete(self, *, actor: Actor) -> None:
        with Runs(self.workspace, clock=self.clock) as runs:
            runs.complete_removals(actor=actor)


class _VersionsKind(_Kind):
    name = "versions"

    @property
    def is_automatic(self) -> bool:
        return self.settings.versions

    @property
    def rule(self) -> str:
        return "what policy.retention keeps of each stage stays, and versions that serve or are needed"

    def items(self) -> list[Prunable]:
        plan = self._registry().plan_prune()
        return [
            Prunable(
                kind=self.name,
                name=f"{found.model}/{found.version}",
                what=f"{found.stage}, {found.reason}",
                n_bytes=found.n_bytes,
            )
            for found in plan.doomed
        ]

    def present(self, items: Sequence[Prunable]) -> Collection[str]:
        return {version.key for version in self._registry().versions()}

    def remove(self, items: Sequence[Prunable], *, actor: Actor, reason: str) -> list[LeftThing]:
        registry, wanted = self._registry(), {item.name for item in items}
        plan = registry.plan_prune()
        chosen = tuple(found for found in plan.doomed if f"{found.model}/{found.version}" in wanted)
        if len(chosen) < len(wanted):
            raise RefusedError("A version of the list must stay now; nothing was removed. Review the plan again.")
        gone = registry.prune(msgspec.structs.replace(plan, candidates=chosen), actor=actor, reason=reason)
        return [
            LeftThing(kind=self.name, name=f"{each.model}/{each.version}", why=each.files_left)
            for each in gone
            if each.files_left
        ]

    def _registry(self) -> Registry:
        return Registry(self.workspace, policy=self.policy)


class _RolloutsKind(_Kind):
    name = "rollouts"

    @property
    def is_automatic(self) -> bool:
        return self.settings.rollouts is not None

    @property
    def keep(self) -> int:
        return self.settings.rollouts or USUAL_ROLLOUTS

    @property
    def rule(self) -> str:
        return (
            f"{self.keep:,} ended rollouts of each model stay, active rollouts, and rollouts whose verdict warns of a "
            "registered version"
        )

    def items(self) -> list[Prunable]:
        doomed = self._rollouts().prunable(keep=self.keep)
        return [
            Prunable(
                kind=self.name,
                name=rollout.rollout_id,
                what=f"{rollout.model} {rollout.candidate}, {rollout.observed.phase.value.replace('_', ' ')}",
            )
            for rollout in doomed
        ]

    def present(self, items: Sequence[Prunable]) -> Collection[str]:
        return {rollout.rollout_id for rollout in self._rollouts().in_brief()}

    def remove(self, items: Sequence[Prunable], *, actor: Actor, reason: str) -> list[LeftThing]:
        self._rollouts().prune(keep=self.keep, only=[item.name for item in items], actor=actor, reason=reason)
        return []

    def _rollouts(self) -> Rollouts:
        return Rollouts(self.workspace, policy=self.policy, clock=self.clock)


class _EpochsKind(_Kind):
    name = "epochs"

    @property
    def is_automatic(self) -> bool:
        return self.settings.epochs is not None

    @property
    def keep(self) -> int:
        return self.settings.epochs or USUAL_EPOCHS

    @property
    def rule(self) -> str:
        return f"each value of the newest {self.keep:,} epochs of a run stays, and the curves of all epochs"

    def items(self) -> list[Prunable]:
        with Runs(self.workspace, clock=self.clock) as runs:
            run_ids = [run.run_id for run in runs.all()]
        found = ((run_id, values_before(self.workspace.telemetry_file, run_id, self.keep)) for run_id in run_ids)
        return [
            Prunable(kind=self.name, name=run_id, what=f"the single values of the epochs before {before:,}")
            for run_id, before in found
            if before is not None
        ]

    def present(self, items: Sequence[Prunable]) -> Collection[str]:
        file = self.workspace.telemetry_file
        return {item.name for item in items if values_before(file, item.name, self.keep) is not None}

    def remove(self, items: Sequence[Prunable], *, actor: Actor, reason: str) -> list[LeftThing]:
        for item in items:
            before = values_before(self.workspace.telemetry_file, item.name, self.keep)
            if before is not None:
                with audited(self.workspace, RUNS, actor=actor, reason=reason, clock=self.clock) as change:
                    change.record("run.thin", item.name, after={"single_values_from_epoch": before})
                forget_values(self.workspace.telemetry_file, item.name, before=before)
        return []


class _ReportsKind(_Kind):
    name = "reports"

    @property
    def is_automatic(self) -> bool:
        return self.settings.report_days is not None

    @property
    def days(self) -> float:
        return self.settings.report_days or USUAL_REPORT_DAYS

    @property
    def rule(self) -> str:
        return (
            f"reports of epochs and data sets stay for {self.days:g} days after their session ended, and final reports "
            "for ever"
        )

    def items(self) -> list[Prunable]:
        horizon = self.clock() - timedelta(days=self.days)
        files = SessionFiles(self.workspace)
        found = []
        for session in Sessions(self.workspace).all():
            observed, folders = session.observed, _present(files, session)
            if session.has_ended and observed.ended_at is not None and observed.ended_at < horizon and folders:
                n_bytes = sum(map(bytes_below, folders))
                what = f"the reports and data sets of {observed.epoch:,} epochs"
                found.append(Prunable(kind=self.name, name=session.session_id, what=what, n_bytes=n_bytes))
        return found

    def present(self, items: Sequence[Prunable]) -> Collection[str]:
        files, sessions = SessionFiles(self.workspace), Sessions(self.workspace)
        return {item.name for item in items if _present(files, sessions.get(item.name))}

    def remove(self, items: Sequence[Prunable], *, actor: Actor, reason: str) -> list[LeftThing]:
        still = {item.name for item in self.items()}
        if stays := next((item.name for item in items if item.name not in still), None):
            raise RefusedError(f"The reports of {stays} must stay now; none were removed. Review the plan again.")
        files, sessions = SessionFiles(self.workspace), Sessions(self.workspace)
        left = []
        for item in items:
            folders = _present(files, sessions.get(item.name))
            if link := next(filter(None, (link_on_the_way(each, root=self.workspace.root) for each in folders)), None):
                why = f"{link} is a link, and may lead to files of others"
                left.append(LeftThing(kind=self.name, name=item.name, why=why))
                continue
            with audited(self.workspace, SESSIONS, actor=actor, reason=reason, clock=self.clock) as change:
                change.record("session.prune_reports", item.name, before={"n_bytes": item.n_bytes})
            try:
                for folder in folders:
                    _remove_whole(folder, self.workspace.root)
            except FileAccessError as error:
                left.append(LeftThing(kind=self.name, name=item.name, why=str(error)))
        return left


def _remove_whole(folder: Path, root: Path) -> None:
    """Remove a folder from which another process may be removing files at the same time."""
    while folder.is_dir():
        try:
            remove_tree(folder, root=root)
        except FileAccessError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise


def _present(files: SessionFiles, session: Session) -> list[Path]:
    """Return the folders that go with the reports of a session; the smaller part last, so that a prune is completed."""
    return [folder for folder in (files.data_sets_of(session), files.epoch_reports_of(session)) if folder.is_dir()]


class _StressTestsKind(_Kind):
    name = "stress"

    @property
    def is_automatic(self) -> bool:
        return self.settings.stress_tests is not None

    @property
    def keep(self) -> int:
        return self.settings.stress_tests or USUAL_STRESS_TESTS

    @property
    def rule(self) -> str:
        return f"the newest {self.keep:,} stress tests stay, with their reports"

    def items(self) -> list[Prunable]:
        doomed = StressTests(self.workspace, clock=self.clock).prunable(keep=self.keep)
        return [
            Prunable(kind=self.name, name=test.test_id, what=f"{test.portfolio}, {len(test.cases):,} cases")
            for test in doomed
        ]

    def present(self, items: Sequence[Prunable]) -> Collection[str]:
        return {test.test_id for test in StressTests(self.workspace, clock=self.clock).all()}

    def remove(self, items: Sequence[Prunable], *, actor: Actor, reason: str) -> list[LeftThing]:
        tests = StressTests(self.workspace, clock=self.clock)
        known = {test.test_id for test in tests.prunable(keep=self.keep)}
        tests.prune([item.name for item in items if item.name in known], actor, reason=reason)
        return []

    def complete(self, *, actor: Actor) -> None:
        StressTests(self.workspace, clock=self.clock).sweep()


_KINDS: tuple[type[_Kind], ...] = (
    *(_RunsKind, _VersionsKind, _RolloutsKind, _EpochsKind, _ReportsKind),
    _StressTestsKind,
)
KINDS = tuple(kind.name for kind in _KINDS)
"""The kinds that can be pruned."""


class Pruning:
    """Plans and carries out the prunes of one workspace."""

    def __init__(
        self,
        workspace: Workspace,
        settings: RetentionSettings,
        *,
        policy: PolicySource | None = None,
        clock: Clock = utc_now,
    ) -> None:
        """Prepare.

        Args:
            workspace: The workspace.
            settings: The rules; for a kind without one, the usual numbers apply once a person asks.
            policy: The policy, for versions and runs; by default that of the workspace.
            clock: The time.
        """
        source = policy or PolicySource(workspace.root)
        self._workspace = workspace
        self._kinds = {kind.name: kind(workspace, settings, source, clock) for kind in _KINDS}

    def automatic(self) -> tuple[str, ...]:
        """Return the kinds that the settings switch on."""
        return tuple(name for name, kind in self._kinds.items() if kind.is_automatic)

    def plan(self, kinds: Iterable[str] = KINDS) -> WorkspacePlan:
        """List what a prune of some kinds would delete; nothing is changed.

        A kind that cannot be listed, since its files are damaged for one, keeps no other from the list.

        Raises:
            UsageError: There is no such kind.
        """
        listed: list[KindPlan] = []
        unlisted: list[UnlistedKind] = []
        for name, kind in self._chosen(kinds):
            try:
                items = tuple(kind.items())
                listed.append(KindPlan(kind=name, rule=kind.rule, is_automatic=kind.is_automatic, items=items))
            except CoreError as error:
                unlisted.append(UnlistedKind(kind=name, why=str(error)))
        return WorkspacePlan(kinds=tuple(listed), unlisted=tuple(unlisted))

    def require_listed(self, plan: WorkspacePlan) -> None:
        """Raise what keeps a kind from the list of a plan, for who shows the list and deletes nothing.

        Args:
            plan: The plan.
        Raises:
            KindNotPrunedError: A kind could not be listed.
        """
        if failures := self._unlisted(plan):
            raise KindNotPrunedError(failures, PruneResult(kinds=(), left=())) from next(iter(failures.values()))

    def carry_out(self, plan: WorkspacePlan, *, actor: Actor, reason: str) -> PruneResult:
        """Delete what a plan lists.

        Args:
            plan: The plan that was reviewed.
            actor: Who deletes.
            reason: Why, for the audit log.
        Returns:
            What was deleted, and what was left and why; what another process has deleted meanwhile is neither.
        Raises:
            KindNotPrunedError: A kind could not be listed or pruned: something of it must stay now, its files cannot
                be read or written, or there was no room for its record, even with the reserve and once the other kinds
                had made some. The other kinds were pruned; the error has what was deleted.
            AccessRefusedError: The actor may not prune; nothing was deleted.
        """
        require_access(self._workspace, actor, "workspace.prune")
        done: dict[str, KindPlan] = {}
        left: list[LeftThing] = []
        failures: dict[str, CoreError] = {}
        reserve = DiskReserve(self._workspace)
        n_done_before = -1
        # A deletion writes before it frees. What has no room for that is tried again: with the room of the reserve, and
        # as long as other kinds make some. A refused kind is tried again, too: its rule may hold now.
        while len(done) < len(plan.kinds) and (len(done) > n_done_before or reserve.helps(failures.values())):
            n_done_before = len(done)
            for listed in plan.kinds:
                if listed.kind in done:
                    continue
                try:
                    done[listed.kind], left_of_kind = self._carry_out_kind(listed, actor=actor, reason=reason)
                except CoreError as error:
                    failures[listed.kind] = error
                else:
                    failures.pop(listed.kind, None)
                    left += left_of_kind
        reserve.keep()
        for thing in left:
            log.warning("not deleted: %s", thing)
        result = PruneResult(kinds=tuple(done[kind.kind] for kind in plan.kinds if kind.kind in done), left=tuple(left))
        if result.summary:
            log.info("%s, for %s", result.summary, actor)
        if failures := {**self._unlisted(plan), **failures}:
            raise KindNotPrunedError(failures, result) from next(iter(failures.values()))
        return result

    def _unlisted(self, plan: WorkspacePlan) -> dict[str, CoreError]:
        """Return why some kinds could not be listed, by the kind: the error itself has the exit code."""
        failures: dict[str, CoreError] = {}
        for missing in plan.unlisted:
            try:
                self._kinds[missing.kind].items()
                failures[missing.kind] = RefusedError(f"It could not be listed: {missing.why} Review the plan again.")
            except CoreError as error:
                failures[missing.kind] = error
        return failures

    def _carry_out_kind(self, listed: KindPlan, *, actor: Actor, reason: str) -> tuple[KindPlan, list[LeftThing]]:
        """Delete what is listed of one kind; return what of it was there, and what had to be left."""
        kind = self._kinds[listed.kind]
        kind.complete(actor=actor)
        if listed.items:
            begins(f"removing {len(listed.items):,} {listed.kind}")
        why = reason or f"retention: {listed.rule}"
        items, left = kind.remove_present(listed.items, actor=actor, reason=why)
        return msgspec.structs.replace(listed, items=items), left

    def _chosen(self, kinds: Iterable[str]) -> list[tuple[str, _Kind]]:
        wanted: Collection[str] = list(kinds)
        if unknown := next((kind for kind in wanted if kind not in self._kinds), None):
            raise UsageError(f"{unknown!r} cannot be pruned: choose of {', '.join(KINDS)}.")
        return [(name, kind) for name, kind in self._kinds.items() if name in wanted]


_WORDS = {
    "runs": ("run", "{n} with the metrics"),
    "versions": ("version", "{n} with the files"),
    "rollouts": ("rollout", "{n}"),
    "epochs": ("run", "single values of early epochs of {n}"),
    "reports": ("session", "the reports of the epochs of {n}"),
    "stress": ("stress test", "{n} with the reports"),
}


def _counted(kind: str, n_deleted: int) -> str:
    noun, words = _WORDS[kind]
    return words.format(n=f"{n_deleted:,} {noun}{'' if n_deleted == 1 else 's'}")
