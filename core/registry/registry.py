"""The registry: which versions there are, where each stands, and how one takes another's place.

All that one move touches (versions, model, transition, audit record) is one transaction on one file. Files are hashed
and alerts fired outside of it, so that nobody waits for another's 500 MB.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from core.actor import Actor
from core.clock import Clock, utc_now
from core.governance.audit import audited
from core.governance.outbox import Change
from core.quality.gate import GateResult
from core.registry import planning
from core.registry.artifacts import ArtifactStore
from core.registry.comparison import compare_versions
from core.registry.diff import VersionDiff
from core.registry.documents import ModelVersion, RegisteredModel, Transition, transition_key
from core.registry.errors import HashMismatchError, PromotionRefusedError
from core.registry.gates import VERIFIED_ARTIFACT
from core.registry.integrity import IntegrityResult
from core.registry.numbering import Part, version_key
from core.registry.planning import Plan
from core.registry.proposing import Proposer
from core.registry.records import DATABASE, Records
from core.registry.registration import Registrar, Sweep, card_of, evidence
from core.registry.stages import Stage, Verb
from core.settings.promotion import PromotionSettings
from core.state import StaleRevisionError, Workspace


class Registry:
    """The models of one workspace. Cheap to make; safe to share between threads."""

    def __init__(
        self, workspace: Workspace, *, promotion: PromotionSettings | None = None, clock: Clock = utc_now
    ) -> None:
        """Open the registry.

        Args:
            workspace: Where it is kept.
            promotion: The thresholds of promotion gates; by default those of `bondx.yaml`, read anew for each plan.
            clock: When things happen.
        """
        self._workspace = workspace
        self._clock = clock
        self._records = Records(workspace)
        self._store = ArtifactStore(workspace.artifacts_dir)
        self._registrar = Registrar(workspace, self._records, self._store, clock)
        self._proposer = Proposer(workspace, self._records, self._store, promotion, clock)

    # What is there

    def models(self) -> list[RegisteredModel]:
        """Return every model, by name."""
        return sorted(self._records.models.all(), key=lambda model: model.model)

    def versions(self, model: str | None = None) -> list[ModelVersion]:
        """Return the versions of one model, or of all, by model and ascending number."""
        if model is not None:
            self._records.model(model)
        return self._records.versions_of(model)

    def get(self, model: str, version: str) -> ModelVersion:
        """Return one version.

        Raises:
            ModelNotFoundError: Nothing was registered under this name.
            VersionNotFoundError: The model has no such version; the newest are named.
        """
        return self._records.version(model, version)

    def production(self, model: str) -> ModelVersion | None:
        """Return the version that is live, if there is one."""
        live = self._records.model(model).production
        return None if live is None else self._records.version(model, live)

    def history(self, model: str, version: str | None = None) -> list[Transition]:
        """Return who moved which version, when, from where, why and on what evidence; the newest first.

        Args:
            model: Whose versions.
            version: Only the moves that touched this one.
        """
        moves = reversed(self._records.transitions_of(self._records.model(model)))
        return [move for move in moves if version is None or any(version == moved.version for moved in move.changes)]

    def went_live(self, model: str, version: str | None = None) -> Transition | None:
        """Return the last move that put a version into Production: by default, the one that is live.

        Returns:
            The move, with its author, time, reason and gates; None if the version never was in Production.
        """
        live = version or self._records.model(model).production
        for move in self.history(model, live) if live else ():
            if any(moved.version == live and moved.after is Stage.PRODUCTION for moved in move.changes):
                return move
        return None

    def diff(self, model: str, a: str, b: str) -> VersionDiff:
        """Lay two versions side by side: metrics, lineage, parameters, features, importances, gates, files."""
        return compare_versions(self._workspace, self._store, self.get(model, a), self.get(model, b))

    # Coming in

    def register(
        self,
        model: str,
        source_dir: Path,
        *,
        metrics: Mapping[str, float],
        lineage: Mapping[str, Any],
        gates: Sequence[GateResult],
        actor: Actor,
        run_id: str = "",
        session_id: str = "",
        bump: Part = "minor",
        description: str = "",
        reason: str = "",
    ) -> ModelVersion:
        """Take a folder in as the next version of a model, in Development.

        The files are copied, hashed, made durable and put in place before the version is recorded. Beside them lie
        the manifest, `registration.json` (metrics, lineage and gates as given here) and `environment.json`, unless
        the folder has one. Nothing of that depends on clock, host or session. Registering the very same bytes from
        the same run again answers with the version that is there, so that a resumed session doubles nothing.

        Args:
            model: Its name; the first version makes it known.
            source_dir: The folder of files; it is left as it is.
            metrics: Finite figures by name; `attainment` is what promotion gates look at.
            lineage: Data hashes, seeds, settings digest, parent version: plain JSON values.
            gates: Verdicts on the training data.
            actor: Who registers.
            run_id: The tracked run it came from.
            session_id: The session it came from.
            bump: The part of the number to raise; the first version is 1.0.0.
            description: One line for people.
            reason: Why, for the audit log.
        Raises:
            InvalidNameError: The model's name is not spelled as one.
            ArtifactRefusedError: The folder holds what an artifact may not, or could not be copied.
            UnstorableValueError: A metric or the lineage has no faithful spelling in JSON.
        """
        card = card_of(model, metrics=metrics, lineage=lineage, gates=gates, description=description)
        return self._registrar.register(
            card, source_dir, run_id=run_id, session_id=session_id, actor=actor, bump=bump, reason=reason
        )

    def sweep(self, actor: Actor) -> Sweep:
        """Clear up after killed processes: remove unfinished copies, record whole folders whose record was lost."""
        return self._registrar.sweep(actor)

    # Moving between stages

    def plan_promotion(self, model: str, version: str, stage: Stage | None = None) -> Plan:
        """Say what promoting a version by one step would do, its gates judged and its files hashed."""
        return self._proposer.propose(Verb.PROMOTE, model, version, stage)

    def plan_rollback(self, model: str) -> Plan:
        """Say what the return to the previous Production version would do."""
        return self._proposer.propose(Verb.ROLL_BACK, model)

    def plan_undo(self, model: str) -> Plan:
        """Say what taking back the newest promotion, rollback or archiving would do."""
        return self._proposer.propose(Verb.UNDO, model)

    def plan_archive(self, model: str, version: str) -> Plan:
        """Say what taking a version out of use would do."""
        return self._proposer.propose(Verb.ARCHIVE, model, version)

    def apply(self, plan: Plan, *, actor: Actor, reason: str = "") -> tuple[ModelVersion, ...]:
        """Do what a plan says, if it still holds.

        Rules, gates and files are judged again; of the plan itself only the wish and the revision are believed.

        Returns:
            The versions that moved, the plan's own first.
        Raises:
            StaleRevisionError: Somebody moved a version of this model meanwhile; the message says who, when and what.
            HashMismatchError: The files of the version are not those that were registered.
            PromotionRefusedError: A rule or a gate forbids it.
        """
        decided = self._proposer.propose(plan.verb, plan.model, plan.version, plan.to_stage)
        if self._records.model(plan.model).revision != plan.expected_revision:
            raise self._stale(plan)
        if not decided.allowed:
            raise self._refusal(decided)
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            model = self._records.model(plan.model)
            # Every stage of every version of the model is as it was at this revision, so what was decided holds.
            if model.revision != plan.expected_revision:
                raise self._stale(plan)
            return self._move(change, model, decided, actor, reason)

    # Integrity

    def verify(self, model: str | None = None, version: str | None = None) -> list[IntegrityResult]:
        """Hash the files of versions again: of all, of one model, or one version. A mismatch fires an alert."""
        chosen = [self.get(model, version)] if model and version else self.versions(model)
        return [self._proposer.examine(found) for found in chosen]

    def load_path(self, model: str, version: str) -> Path:
        """Return the folder of a version after hashing every file in it; nothing is to be loaded otherwise.

        Raises:
            HashMismatchError: The files are not those that were registered; a critical alert was fired.
        """
        result = self._proposer.examine(self.get(model, version))
        if not result.ok:
            raise HashMismatchError(model, version, result.problems)
        return self._store.folder(model, version)

    def _move(
        self, change: Change, model: RegisteredModel, plan: Plan, actor: Actor, reason: str
    ) -> tuple[ModelVersion, ...]:
        now, author, records = self._clock(), str(actor), self._records
        standing = planning.standing_after(model, plan)
        number = records.models.replace(
            msgspec.structs.replace(
                model,
                production=standing.production,
                previous_production=standing.previous,
                before=None if plan.verb is Verb.UNDO else model.standing,
                updated_at=now,
                updated_by=author,
            )
        ).revision
        moved = tuple(
            records.versions.replace(
                msgspec.structs.replace(
                    records.version(plan.model, step.version),
                    stage=step.after,
                    stage_since=now,
                    updated_at=now,
                    updated_by=author,
                )
            )
            for step in plan.changes
        )
        records.transitions.insert(
            Transition(
                key=transition_key(plan.model, number),
                model=plan.model,
                number=number,
                verb=plan.verb,
                version=plan.version,
                from_stage=plan.changes[0].before,
                to_stage=plan.changes[0].after,
                changes=plan.changes,
                replaced=plan.replaces,
                at=now,
                by=author,
                origin=actor.origin,
                reason=reason,
                gates=plan.gates,
                manifest_sha256=moved[0].manifest_sha256,
                undoes=plan.undoes,
            )
        )
        change.record(
            f"version.{plan.verb}",
            version_key(plan.model, plan.version),
            before={step.version: step.before for step in plan.changes},
            after={step.version: step.after for step in plan.changes},
            evidence=[evidence(version) for version in moved],
        )
        return moved

    def _refusal(self, plan: Plan) -> PromotionRefusedError | HashMismatchError:
        for gate in plan.gates:
            if gate.name == VERIFIED_ARTIFACT and gate.blocks:
                return HashMismatchError(plan.model, planning.version_to_serve(plan), gate.offending)
        return PromotionRefusedError(plan.refusal or "")

    def _stale(self, plan: Plan) -> StaleRevisionError:
        model = self._records.model(plan.model)
        since = self._records.transitions_of(model, after=plan.expected_revision)
        seen: dict[str, tuple[object, object]] = {}
        for step in (step for move in since for step in move.changes):
            seen[step.version] = (seen.get(step.version, (step.before,))[0], step.after)
        return StaleRevisionError(
            "Model",
            plan.model,
            expected=plan.expected_revision,
            found=model.revision,
            changes=seen,
            by=model.updated_by,
            at=f"{model.updated_at:%Y-%m-%d %H:%M:%S} UTC",
        )
