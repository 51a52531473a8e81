"""`ModelRegistry`: versions, their stages, and who has approved them."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.api.arguments import checked
from core.api.config import MLOpsConfig
from core.errors import NotFoundError, UsageError
from core.escape import shown
from core.maintenance.disk_reserve import DiskReserve
from core.quality.gate import GateResult
from core.registry import (
    Approval,
    IntegrityResult,
    LineageGraph,
    ModelVersion,
    Plan,
    PrunePlan,
    Registry,
    Stage,
    VersionDiff,
)
from core.registry.later_denied import version_as_shown, versions_as_shown
from core.registry.plan_changes import as_reviewed
from core.registry.planning import reason_for, require_confirmed
from core.registry.registration import Bump

if TYPE_CHECKING:
    from core.interop.version_export import ExportedVersion
    from core.models import Model


class ModelRegistry:
    """The models of one workspace. Wherever a version is expected, an alias such as `@champion` works too."""

    def __init__(self, config: MLOpsConfig | None = None) -> None:
        """Open the registry; by default of the workspace that `MLOpsConfig.from_yaml()` finds."""
        self._config = config or MLOpsConfig.from_yaml()
        self._registry = Registry(self._config.workspace, policy=self._config.source)

    @checked
    def register_model(
        self,
        name: str,
        path: Path | str,
        *,
        metrics: Mapping[str, float] | None = None,
        lineage: Mapping[str, Any] | None = None,
        gates: Sequence[GateResult] = (),
        run_id: str = "",
        parents: Sequence[str] = (),
        tags: Mapping[str, str] | None = None,
        description: str = "",
        bump: Bump = "auto",
    ) -> ModelVersion:
        """Register a folder or file as the next version of a model, in Development.

        Args:
            name: The model's name.
            path: The folder or file; it is copied and hashed. Pickles are refused: they are code.
            metrics: Finite figures by name; the accuracy gate judges `attainment`, `accuracy` or `r2`.
            lineage: `data` (hashes by name), `parameters`, and everything else that decided the result.
            gates: Verdicts on the training data.
            run_id: The tracked run it came from.
            parents: The versions it was made from.
            tags: Words to find it by.
            description: One line for people.
            bump: By default the registry raises major for another schema, minor for other data or parameters, else
                patch.
        Raises:
            ArtifactRefusedError: The files cannot become an artifact, or hold a model that cannot be loaded.
        """
        registered = self._registry.register(
            name,
            Path(path),
            metrics=metrics or {},
            lineage=lineage or {},
            gates=gates,
            actor=self._config.actor,
            run_id=run_id,
            parents=parents,
            tags=tags,
            description=description,
            bump=bump,
            reads=True,
        )
        return version_as_shown(self._config.workspace, registered)

    @checked
    def register_member(
        self, name: str, version: str, member: str, *, data: Path | str | None = None, reason: str = ""
    ) -> ModelVersion:
        """Register a member of an ensemble as a version of its own, so that a rollout can compare the two.

        It answers as it does inside the ensemble. Its metrics are measured on the test panels of the session that
        trained the ensemble, or on `data`; without either it has none.

        Args:
            name: The model.
            version: The ensemble.
            member: The member, by the name of its algorithm, or for a stack of models by the model's own.
            data: A file of rows with their outcomes that the ensemble has not learned from.
            reason: Why, for the audit log.
        Raises:
            NotFoundError: There is no such version, or it has no such member.
            UsageError: The ensemble learned from the file.
        """
        from core.settings import settings_in_force
        from core.training.member_versions import register_member

        workspace, file = self._config.workspace, None if data is None else Path(data)
        settings = settings_in_force(workspace.root)
        made = register_member(
            workspace, name, version, member, settings, actor=self._config.actor, data=file, reason=reason
        )
        return version_as_shown(workspace, made.version)

    @checked
    def plan_promotion(self, name: str, version: str, stage: Stage | str | None = None) -> Plan:
        """Say what promoting a version by one step would do: gates, effects, how to undo it. Changes nothing."""
        target = Stage.named(stage) if stage is not None else None
        return self._registry.plan_promotion(name, version, target, actor=self._config.actor)

    @checked
    def promote_model(
        self,
        name: str,
        version: str,
        stage: Stage | str | None = None,
        *,
        reason: str = "",
        override: str = "",
        reviewed: Plan | None = None,
    ) -> ModelVersion:
        """Move a version one stage up, or to `stage`, through the gates.

        Args:
            name: The model.
            version: The version.
            stage: The target; the next stage by default.
            reason: Why, for the audit log.
            override: Why a version that its newest rollout has rolled back goes live nevertheless.
            reviewed: The plan that the decision was made on: then every change since is refused.
        Raises:
            StalePlanError: A rollout, a verdict or a gate is other than in the reviewed plan.
            RefusedError: Its newest rollout has rolled it back (`overrides` of the plan), and `override` is empty.
            PromotionRefusedError: A rule or a gate forbids it; the message says which and why.
            HashMismatchError: The files differ from the registered files.
        """
        plan = self.plan_promotion(name, version, stage)
        return self._apply(as_reviewed(plan, reviewed), reason_for(plan, reason, override))

    @checked
    def plan_rollback(self, name: str) -> Plan:
        """Say what a rollback would do: which version answers then, and which rollout it ends. Changes nothing."""
        return self._registry.plan_rollback(name)

    @checked
    def rollback_model(self, name: str, *, reason: str = "", reviewed: Plan | None = None) -> ModelVersion:
        """Roll back to the previous Production version; arguments and errors are those of `promote_model`."""
        return self._apply(as_reviewed(self.plan_rollback(name), reviewed), reason)

    @checked
    def plan_undo(self, name: str) -> Plan:
        """Say what undoing the newest move of a version that is not undone yet would do. Changes nothing."""
        return self._registry.plan_undo(name)

    @checked
    def undo_model(self, name: str, *, confirm: str = "", reason: str = "") -> ModelVersion:
        """Undo the newest move that is not undone yet; each call goes one further back.

        Args:
            name: The model.
            confirm: The live version, if no version is live afterwards (`unreplaced` of the plan).
            reason: Why, for the audit log.
        Raises:
            RefusedError: A rule forbids it, or the version is not confirmed.
        """
        plan = self.plan_undo(name)
        require_confirmed(plan, confirm)
        return self._apply(plan, reason)

    @checked
    def plan_archive(self, name: str, version: str) -> Plan:
        """Say what archiving a version would do. Changes nothing."""
        return self._registry.plan_archive(name, version)

    @checked
    def archive_model(self, name: str, version: str, *, confirm: str = "", reason: str = "") -> ModelVersion:
        """Archive a version.

        Args:
            name: The model.
            version: The version.
            confirm: The version again, if it is live: no version is live afterwards (`unreplaced` of the plan).
            reason: Why, for the audit log.
        Raises:
            RefusedError: A rule forbids it, or the live version is not confirmed.
        """
        plan = self.plan_archive(name, version)
        require_confirmed(plan, confirm)
        return self._apply(plan, reason)

    @checked
    def approve_model(self, name: str, version: str, *, reason: str = "") -> Approval:
        """Approve a version for Production; another person must promote it."""
        return self._registry.approve(name, version, actor=self._config.actor, reason=reason)

    @checked
    def set_alias(self, name: str, alias: str, version: str, *, reason: str = "") -> None:
        """Point an alias at a version."""
        self._registry.set_alias(name, alias, version, actor=self._config.actor, reason=reason)

    @checked
    def aliases(self, name: str) -> dict[str, str]:
        """Return the version behind every alias of a model."""
        return self._registry.aliases(name)

    @checked
    def get_model(self, name: str, version: str | None = None) -> ModelVersion:
        """Return one version; by default the one in Production.

        Raises:
            NotFoundError: There is no such model or version, or nothing is in Production.
        """
        if version is not None:
            return version_as_shown(self._config.workspace, self._registry.get(name, version))
        if (live := self._registry.production(name)) is None:
            raise NotFoundError(f"No version of {name} is in Production; name a version.")
        return version_as_shown(self._config.workspace, live)

    @checked
    def list_models(self, name: str | None = None, *, stage: Stage | str | None = None) -> list[ModelVersion]:
        """Return versions by model and ascending number."""
        wanted = None if stage is None else Stage.named(stage)
        found = [version for version in self._registry.versions(name) if wanted in (None, version.stage)]
        return versions_as_shown(self._config.workspace, found)

    @checked
    def load_model(self, name: str, version: str | None = None) -> "Model":
        """Load a version that BondX has trained, after hashing every file of it.

        Raises:
            HashMismatchError: The files differ from the registered files.
            ArtifactError: The files are not a model that this installation can read; see `model_path`.
        """
        from core.domains.catalogue import load_model

        with self._registry.opened(name, self.get_model(name, version).version) as folder:
            return load_model(folder)

    @checked
    def model_path(self, name: str, version: str | None = None) -> Path:
        """Return a private copy of a version's folder, hashed on the way; it lasts until this process ends."""
        return self._registry.load_path(name, self.get_model(name, version).version)

    @checked
    def export_model(
        self,
        name: str,
        version: str | None = None,
        *,
        out: Path | str,
        format: str = "onnx",  # noqa: A002
        storage_uri: str | None = None,
    ) -> "ExportedVersion":
        """Write a version for other servers, once its answers there are its own; needs the extra `onnx`.

        Args:
            name: The model.
            version: Its version; by default the live one.
            out: A new file, or for KServe a new or an empty folder.
            format: `onnx`, or `kserve` for Triton, MLServer and KServe.
            storage_uri: Where KServe will find the folder `models`.
        Raises:
            UsageError: The extra is missing, the place cannot be used, or a part of the model has no form in ONNX.
            ParityError: An answer there differs by more than a millionth.
        """
        from core.interop.version_export import VersionFormat, export_version

        if format not in tuple(VersionFormat):
            raise UsageError(f"{shown(format)} is not a format of an export. Formats: {', '.join(VersionFormat)}.")
        number, form = self.get_model(name, version).version, VersionFormat(format)
        return export_version(self._config.workspace, name, number, Path(out), format=form, storage_uri=storage_uri)

    @checked
    def compare_models(self, name: str, a: str, b: str) -> VersionDiff:
        """Compare two versions."""
        return self._registry.diff(name, a, b)

    @checked
    def lineage(self, name: str, version: str | None = None) -> LineageGraph:
        """Return where versions come from, and what was made from them."""
        return self._registry.lineage(name, version)

    @checked
    def bill_of_materials(self, name: str, version: str | None = None) -> bytes:
        """Return the bill of materials of a version as a CycloneDX document: model card, data sets, files, packages.

        Raises:
            HashMismatchError: The files differ from the registered files.
        """
        from core.evidence import bill_of_version, encoded_record

        return encoded_record(bill_of_version(self._config.workspace, name, self.get_model(name, version).version))

    @checked
    def provenance(self, name: str, version: str | None = None) -> bytes:
        """Return where a version comes from as an in-toto statement with SLSA's predicate, in a signed DSSE envelope.

        Where this account has no key of the workspace to sign it with, it is the statement alone.

        Raises:
            HashMismatchError: The files differ from the registered files.
        """
        from core.evidence import encoded_record, provenance_of

        return encoded_record(provenance_of(self._config.workspace, name, self.get_model(name, version).version))

    @checked
    def model_signature(self, name: str, version: str | None = None) -> bytes:
        """Return the signature of a version's files for `model_signing verify key`: a Sigstore bundle in JSON.

        Raises:
            HashMismatchError: The manifest is not the registered one.
            ModelKeyError: The version was registered without a signature, and this account has no key to sign it now.
        """
        from core.evidence import signature_of_version

        return signature_of_version(self._config.workspace, name, self.get_model(name, version).version)

    @checked
    def verify_models(self, name: str | None = None) -> list[IntegrityResult]:
        """Hash the files of versions again."""
        return self._registry.verify(name)

    @checked
    def prune_models(self, name: str | None = None, *, dry_run: bool = True, reason: str = "") -> PrunePlan:
        """Say which versions the policy lets go of; remove them unless this is a dry run."""
        plan = self._registry.plan_prune(name)
        if not dry_run:
            delete = partial(self._registry.prune, plan, actor=self._config.actor, reason=reason)
            DiskReserve(self._config.workspace).lend(delete)
        return plan

    def _apply(self, plan: Plan, reason: str) -> ModelVersion:
        moved = self._registry.apply(plan, actor=self._config.actor, reason=reason)[0]
        return version_as_shown(self._config.workspace, moved)
