"""Reading the registry: its contents, and what a change would do. Nothing moves here."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from core.actor import Actor
from core.clock import Clock, utc_now
from core.files import digest
from core.models.errors import AnswersNoRowsError
from core.quality.gate import GateResult
from core.registry.aliases import Alias, Aliases
from core.registry.approvals import Approval, Approvals
from core.registry.artifacts import ArtifactStore
from core.registry.diff import VersionDiff, compare_versions
from core.registry.documents import MadeProfile, ModelVersion, PrunedVersion, RegisteredModel, Transition
from core.registry.errors import HashMismatchError
from core.registry.integrity import IntegrityResult
from core.registry.language_models import require_kind
from core.registry.lineage import LineageGraph, lineage_of
from core.registry.made_profiles import OWN_NAME, MadeProfiles, ProfileFile, ProfileProblem
from core.registry.numbering import checked_model_name, version_key
from core.registry.planner import Planner
from core.registry.planning import Plan
from core.registry.private_copies import KEPT
from core.registry.pruning import Pruner
from core.registry.records import Records
from core.registry.registration import Registrar
from core.registry.retention import PrunePlan
from core.registry.stages import Stage, TransitionVerb, promotions
from core.registry.trials import Quarantine, QuarantinedError, Trials
from core.settings.policy_source import PolicySource
from core.settings.promotion import PromotionSettings
from core.state import Workspace
from core.state.brief import whole

log = logging.getLogger(__name__)


class RegistryReader:
    """The models of one workspace, for reading, loading and planning."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        policy: PolicySource | None = None,
        promotion: PromotionSettings | None = None,
        clock: Clock = utc_now,
    ) -> None:
        """Open the registry.

        Args:
            workspace: The workspace.
            policy: The rules; by default the workspace's, read again whenever one of its files changes.
            promotion: The thresholds of promotion gates for every model, instead of the policy's.
            clock: The current time.
        """
        self._workspace = workspace
        self._clock = clock
        policy = policy or PolicySource(workspace.root)
        self._records = Records(workspace)
        self._store = ArtifactStore(workspace.artifacts_dir)
        self._aliases = Aliases(workspace, self._records, clock)
        self._approvals = Approvals(workspace, self._records, clock)
        self._made = MadeProfiles(workspace, self._records, self._store, clock)
        self._registrar = Registrar(workspace, self._records, self._store, clock)
        self._trials = Trials(workspace, clock)
        self._planner = Planner(
            workspace,
            self._records,
            self._store,
            self._approvals,
            self._trials,
            policy=policy,
            promotion=promotion,
            clock=clock,
        )
        self._pruner = Pruner(
            workspace,
            self._records,
            self._store,
            self._aliases,
            self._approvals,
            self._made,
            policy=policy,
            clock=clock,
        )

    def models(self) -> list[RegisteredModel]:
        """Return every model, by name."""
        return sorted(self._records.models.all(), key=lambda model: model.model)

    def versions(self, model: str | None = None) -> list[ModelVersion]:
        """Return the versions of one model, or of all, by model and ascending number."""
        if model is not None:
            self._records.model(model)
        return [whole(version) for version in self._records.versions_of(model)]

    def numbers(self, model: str) -> list[str]:
        """Return the numbers of a model's versions, ascending, without reading the versions."""
        return self._records.numbers_of(self._records.model(model).model)

    def versions_in_brief(self, model: str | None = None) -> list[ModelVersion]:
        """Return what `versions` does, for a reader who lists versions and looks into few.

        The lineage and the gates of an archived version are read from its file whenever they are asked for, so ten
        thousand versions take little memory. Pass a version through `core.state.brief.whole` to encode it.
        """
        if model is not None:
            self._records.model(model)
        return self._records.versions_of(model)

    def get(self, model: str, version: str) -> ModelVersion:
        """Return one version.

        Raises:
            ModelNotFoundError: Nothing was registered under this name.
            VersionNotFoundError: The model has no such version; the message names the newest.
            AliasNotFoundError: The model has no such alias.
        """
        return self._records.version(model, self._aliases.resolve(model, version))

    def pruned(self) -> list[PrunedVersion]:
        """Return the records of pruned versions."""
        return self._records.pruned.all()

    def require_kind(self, model: str, *, writes_texts: bool) -> None:
        """Check before the work that a model of language, or one of rows, can become a version of this name.

        Raises:
            InvalidNameError: The name is not valid.
            WrongKindError: The versions of this name are of the other kind.
        """
        require_kind(self._records, checked_model_name(model), writes_texts=writes_texts)

    def production(self, model: str) -> ModelVersion | None:
        """Return the version that is live, if there is one."""
        live = self._records.model(model).production
        return None if live is None else self._records.version(model, live)

    def history(self, model: str, version: str | None = None) -> list[Transition]:
        """Return who moved which version, when, from where, why and on what evidence, newest first.

        Args:
            model: Whose versions.
            version: Only the moves of this version.
        """
        return list(map(whole, self._history(model, version)))

    def newest_moves(self, model: str, most: int) -> list[Transition]:
        """Return the last moves of a model's versions, newest first: archived ones in brief, and no other is read."""
        return self._records.newest_transitions_of(self._records.model(model), most)

    def _history(self, model: str, version: str | None) -> Iterator[Transition]:
        moves = self._records.moves_of(self._records.model(model))
        version = version and self._aliases.resolve(model, version)
        return (move for move in moves if version is None or any(version == moved.version for moved in move.changes))

    def went_live(self, model: str, version: str | None = None) -> Transition | None:
        """Return the last move that put a version into Production, by default the live version.

        Returns:
            The move, with its author, time, reason and gates; None if the version was never in Production.
        """
        live = self._aliases.resolve(model, version) if version else self._records.model(model).production
        for found in self._history(model, live) if live else ():
            if any(moved.version == live and moved.after is Stage.PRODUCTION for moved in found.changes):
                return whole(found)
        return None

    def diff(self, model: str, a: str, b: str) -> VersionDiff:
        """Compare two versions: metrics, also by slice, lineage, parameters, features, signature and more."""
        return compare_versions(self._workspace, self._store, self.get(model, a), self.get(model, b))

    def lineage(self, model: str, version: str | None = None) -> LineageGraph:
        """Return the sources of a model's versions, and what was made from them.

        Args:
            model: Whose versions.
            version: Only the sources and results of this version.
        """
        self._records.model(model)
        number = self.get(model, version).version if version is not None else None
        return lineage_of(model, self._records.versions_of(None), self.pruned(), version=number)

    def environment_warnings(self, model: str, version: str) -> tuple[str, ...]:
        """Say how this process differs from where a version was made: Python, machine, relevant packages."""
        return self._planner.warnings(self.get(model, version))

    def all_aliases(self) -> list[Alias]:
        """Return every alias of every model."""
        return self._aliases.all()

    def aliases(self, model: str) -> dict[str, str]:
        """Return the version behind every alias of a model, by alias without its mark."""
        return self._aliases.of(self._records.model(model).model)

    def alias(self, model: str, alias: str) -> Alias:
        """Return one alias, with who set it and when.

        Raises:
            AliasNotFoundError: The model has no such alias.
        """
        return self._aliases.get(self._records.model(model).model, alias)

    def claims_of(self, version: ModelVersion) -> list[str]:
        """Return the signed claims about a version, each an envelope of DSSE as JSON; no signature is checked."""
        own = whole(version).claim
        return [*([own] if own else []), *self._approvals.claims_of(version)]

    def approvals(self, model: str, version: str) -> list[Approval]:
        """Return the approvals that count for the next promotion of a version to Production."""
        return self._approvals.of(self.get(model, version))

    def lacking_approvals(self, model: str, version: str, *, actor: Actor | None) -> str | None:
        """Say why a version lacks the approvals for this actor to let it answer requests, or None."""
        return self._planner.lacking_approvals(self.get(model, version), actor)

    def policy_gates(self, model: str, version: str) -> tuple[GateResult, ...]:
        """Return the policy's gates for a version on its way to Production, from any stage.

        Its files are not checked: they are hashed when it moves.
        """
        return self._planner.policy_gates(self.get(model, version))

    def plan_promotion(
        self, model: str, version: str, stage: Stage | None = None, *, actor: Actor | None = None
    ) -> Plan:
        """Say what promoting a version by one step would do, its gates judged and its files hashed.

        Args:
            model: Whose version.
            version: The version.
            stage: The target stage; by default the next stage.
            actor: Who will promote it, if known: their own approval does not count.
        """
        number = self._aliases.resolve(model, version)
        return self._planner.propose(TransitionVerb.PROMOTE, model, number, stage, actor=actor)

    def plan_promotions(self, model: str, version: str, stage: Stage, *, actor: Actor | None = None) -> list[Plan]:
        """Plan every step up to a stage; `Registry.apply_all` carries out all of them or none.

        Args:
            model: Whose version.
            version: The version.
            stage: The target stage.
            actor: Who will promote it, if known: their own approval does not count.
        """
        number = self._aliases.resolve(model, version)
        here = self._records.version(model, number).stage
        plans: list[Plan] = []
        for step in promotions(here, stage):
            after = here if plans else None
            plans.append(self._planner.propose(TransitionVerb.PROMOTE, model, number, step, actor=actor, after=after))
            here = step
        return plans

    def verdicts(self, model: str, version: str) -> tuple[str, ...]:
        """Say which rollout rolled back a version and why, unless a later rollout has put it live."""
        return self._planner.verdicts(model, self._aliases.resolve(model, version))

    def plan_rollback(self, model: str) -> Plan:
        """Say what rolling back to the previous Production version would do."""
        return self._planner.propose(TransitionVerb.ROLL_BACK, model)

    def plan_undo(self, model: str) -> Plan:
        """Say what undoing the newest move that is not undone yet would do; each further undo goes one further back."""
        return self._planner.propose(TransitionVerb.UNDO, model)

    def plan_archive(self, model: str, version: str) -> Plan:
        """Say what archiving a version would do."""
        return self._planner.propose(TransitionVerb.ARCHIVE, model, self._aliases.resolve(model, version))

    def plan_prune(self, model: str | None = None, *, keep: int | None = None) -> PrunePlan:
        """Say which versions would be removed, and why each of the others stays.

        Args:
            model: The model; by default all models.
            keep: How many of each stage stay; by default as the policy says.
        """
        return self._pruner.plan(model, keep)

    def verify(self, model: str | None = None, version: str | None = None) -> list[IntegrityResult]:
        """Hash the files of versions again: of all, of one model, or one version. A mismatch fires an alert.

        A profile that was made later is among their files here, but it keeps no version from being served. A file that
        no record names is no file of a version.
        """
        chosen = [self.get(model, version)] if model and version else self.versions(model)
        results = [self._planner.examine(found) for found in chosen]
        wrong: dict[tuple[str, str], list[str]] = {}
        for found in self._made.damaged(model):
            wrong.setdefault((found.file.parent.parent.name, found.version), []).append(found.problem)
        return [
            msgspec.structs.replace(each, ok=False, problems=(*each.problems, *more))
            if (more := wrong.get((each.model, each.version)))
            else each
            for each in results
        ]

    def profile_file(self, model: str, version: str) -> ProfileFile | None:
        """Return the profile of a version: that of its artifact, else the one that was made later; None without one.

        Raises:
            ChangedFileError: The file, or the manifest of the version, is not what was recorded.
        """
        found = self.get(model, version)
        own = self._store.contents(found.model, found.version, found.manifest_sha256, (OWN_NAME,))
        if (content := own.get(OWN_NAME)) is not None:
            return ProfileFile(content, f"{found.path}/{OWN_NAME}", digest(content), None)
        return self._made.file(found.key)

    def profile_problems(self, model: str | None = None) -> list[ProfileProblem]:
        """List the files of profiles that were made later and are not as recorded, and those that no record names."""
        return self._made.problems(model)

    def made_profile(self, model: str, version: str) -> MadeProfile | None:
        """Return the record of the profile that was made for a version, if one was; its file is not read."""
        return self._made.find(version_key(model, version))

    def load_path(self, model: str, version: str) -> Path:
        """Return a private copy of a version's folder, hashed on the way and tried in a child process.

        The copy lasts until this process ends; `opened` removes its copy when it is left.

        Raises:
            HashMismatchError: The files differ from the registered files; a critical alert was fired.
            QuarantinedError: The version killed the process that loaded it.
            TrialFailedError: The version could not be tried now.
        """
        found = self._loadable(model, version)
        key = (self._store.root, found.key, found.manifest_sha256)
        return KEPT.path(key, lambda: self._tried(found))

    @contextmanager
    def opened(self, model: str, version: str) -> Iterator[Path]:
        """Yield a private copy of a version's folder, hashed on the way, to load the version from.

        A version that was never loaded is tried first, in a child process with limits on memory and time. A version
        that was made with other packages than those installed here is loaded with a warning in the log.

        Raises:
            HashMismatchError: The files differ from the registered files; a critical alert was fired.
            QuarantinedError: The version killed the process that loaded it.
            TrialFailedError: The version could not be tried now.
            AnswersNoRowsError: Whoever opened it has found a model of language, and wants one of rows.
        """
        found = self._loadable(model, version)
        with self._tried(found) as folder:
            try:
                yield folder
            except AnswersNoRowsError:
                raise AnswersNoRowsError(f"{found.model} {found.version}") from None

    def _loadable(self, model: str, version: str) -> ModelVersion:
        found = self.get(model, version)
        result = self._planner.examine(found)
        if not result.ok:
            raise HashMismatchError(found.model, found.version, result.problems)
        if (quarantine := self._trials.quarantined(found)) is not None:
            raise QuarantinedError(quarantine)
        for warning in self._planner.warnings(found):
            log.warning("%s %s", found.model, warning)
        return found

    @contextmanager
    def _tried(self, found: ModelVersion) -> Iterator[Path]:
        with self._planner.copied(found) as folder:
            if self._trials.outcome(found, folder).is_fatal and (quarantine := self._trials.quarantined(found)):
                raise QuarantinedError(quarantine)
            yield folder

    def quarantined(self) -> list[Quarantine]:
        """Return the versions that killed the process that loaded them, and must not be loaded."""
        return self._trials.all()

    def holds_model(self, model: str, version: str) -> bool:
        """Return whether a version was registered with a model that this program can serve."""
        return self._planner.holds_model(self.get(model, version))

    def try_version(self, model: str, version: str) -> str | None:
        """Say why a version cannot be served, or None: it loads, and answers rows of its own signature.

        Its files are tried in a child process unless that was done before.

        Raises:
            TrialFailedError: The version could not be tried now.
        """
        return self._planner.trial_problem(self.get(model, version), tries=True)
