"""The registry over HTTP: read, plan a transition, apply it; aliases, tags and approvals are in versions.py."""

from typing import Annotated, Any

import msgspec
from litestar import Controller, get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from core.actor import Actor
from core.evidence import bill_of_version, provenance_of, signature_of_version
from core.json_documents import decode_json
from core.registry import (
    IntegrityResult,
    LineageGraph,
    ModelVersion,
    Plan,
    RegisteredModel,
    Registry,
    Stage,
    Transition,
    TransitionVerb,
    VersionDiff,
)
from core.registry.later_denied import version_as_shown, versions_as_shown
from core.registry.plan_changes import as_reviewed
from core.registry.planning import reason_for, require_confirmed
from core.serving.authenticator import Caller
from core.serving.control.admission import LOOK, OPERATE, Given
from core.serving.errors import BadRequestError
from core.state import Workspace


class ModelRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A transition of a version of a model."""

    verb: TransitionVerb
    version: str = ""  # not needed by a rollback or an undo
    stage: Stage | None = None  # target of a promotion; by default the next stage


class Move(ModelRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A transition to apply."""

    expected_revision: int  # of the plan that the decision was made on
    confirm: str = ""  # if the plan has `unreplaced`: that version
    override: str = ""  # if the plan has `overrides`: why that verdict does not count
    reviewed: Plan | None = None  # the plan as `plans` returned it: refused if its rollout, verdicts or gates changed
    reason: str = ""


class Models(Controller):
    """Models and their versions."""

    path = "/models"
    tags = ["registry"]

    @get("/", opt=LOOK, sync_to_thread=True)
    def list_models(self, workspace: Given[Workspace]) -> list[RegisteredModel]:
        """List every model with its live version."""
        return Registry(workspace).models()

    @get("/{model:str}/versions", opt=LOOK, sync_to_thread=True)
    def list_versions(
        self, workspace: Given[Workspace], model: FromPath[str], stage: FromQuery[Stage | None] = None
    ) -> list[ModelVersion]:
        """List the versions of a model, newest first, optionally of one stage."""
        found = [v for v in reversed(Registry(workspace).versions(model)) if stage in (None, v.stage)]
        return versions_as_shown(workspace, found)

    @get("/{model:str}/versions/{version:str}", opt=LOOK, sync_to_thread=True)
    def get_version(self, workspace: Given[Workspace], model: FromPath[str], version: FromPath[str]) -> ModelVersion:
        """Return one version with its metrics, gates and lineage."""
        return version_as_shown(workspace, Registry(workspace).get(model, version))

    @get("/{model:str}/versions/{version:str}/bom", opt=LOOK, sync_to_thread=True)
    def get_bill(self, workspace: Given[Workspace], model: FromPath[str], version: FromPath[str]) -> dict[str, Any]:
        """Return the bill of materials of a version as a CycloneDX document: model card, data sets, files, packages."""
        return bill_of_version(workspace, model, version)

    @get("/{model:str}/versions/{version:str}/provenance", opt=LOOK, sync_to_thread=True)
    def get_provenance(
        self, workspace: Given[Workspace], model: FromPath[str], version: FromPath[str]
    ) -> dict[str, Any]:
        """Return where a version comes from: an in-toto statement with SLSA's predicate, in a signed DSSE envelope."""
        return provenance_of(workspace, model, version)

    @get("/{model:str}/versions/{version:str}/file-signature", opt=LOOK, sync_to_thread=True)
    def get_file_signature(
        self, workspace: Given[Workspace], model: FromPath[str], version: FromPath[str]
    ) -> dict[str, Any]:
        """Return the signature of a version's files in the format of OpenSSF Model Signing: a Sigstore bundle."""
        return dict(decode_json(signature_of_version(workspace, model, version)))

    @get("/{model:str}/history", opt=LOOK, sync_to_thread=True)
    def list_history(
        self, workspace: Given[Workspace], model: FromPath[str], version: FromQuery[str | None] = None
    ) -> list[Transition]:
        """List the transitions of a model with author, time and reason, newest first."""
        return Registry(workspace).history(model, version)

    @get("/{model:str}/diff", opt=LOOK, sync_to_thread=True)
    def diff_versions(
        self,
        workspace: Given[Workspace],
        model: FromPath[str],
        before: FromQuery[str],
        after: FromQuery[str],
        changed_only: Annotated[bool, QueryParameter(description="Omit equal values.")] = True,
    ) -> VersionDiff:
        """Compare two versions."""
        diff = Registry(workspace).diff(model, before, after)
        return msgspec.structs.replace(diff, rows=diff.changed) if changed_only else diff

    @get("/{model:str}/integrity", opt=LOOK, sync_to_thread=True)
    def verify_versions(
        self, workspace: Given[Workspace], model: FromPath[str], version: FromQuery[str | None] = None
    ) -> list[IntegrityResult]:
        """Hash the files of versions again and compare the hashes with those registered."""
        return Registry(workspace).verify(model, version)

    @get("/{model:str}/lineage", opt=LOOK, sync_to_thread=True)
    def get_lineage(
        self, workspace: Given[Workspace], model: FromPath[str], version: FromQuery[str | None] = None
    ) -> LineageGraph:
        """Return the lineage of a model or of one version: origins and descendants."""
        return Registry(workspace).lineage(model, version)

    @post("/{model:str}/plans", opt=LOOK, status_code=200, sync_to_thread=True)
    def plan_move(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        model: FromPath[str],
        data: JSONBody[ModelRequest],
    ) -> Plan:
        """Plan a transition in your name, gate by gate; nothing is changed."""
        return _plan(Registry(workspace), model, data, caller.actor)

    @post("/{model:str}/moves", opt=OPERATE, status_code=200, sync_to_thread=True)
    def apply_move(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        model: FromPath[str],
        data: JSONBody[Move],
    ) -> list[ModelVersion]:
        """Promote, roll back, undo or archive, if the reviewed plan still holds."""
        registry = Registry(workspace)
        plan = msgspec.structs.replace(
            _plan(registry, model, data, caller.actor), expected_revision=data.expected_revision
        )
        require_confirmed(plan, data.confirm)
        reason = reason_for(plan, data.reason, data.override)
        if data.reviewed is not None:
            shown = msgspec.structs.replace(data.reviewed, expected_revision=data.expected_revision)
            plan = as_reviewed(plan, shown)
        return versions_as_shown(workspace, registry.apply(plan, actor=caller.actor, reason=reason))


def _plan(registry: Registry, model: str, wish: ModelRequest, actor: Actor) -> Plan:
    if wish.verb in (TransitionVerb.PROMOTE, TransitionVerb.ARCHIVE) and not wish.version:
        raise BadRequestError(f"is required to {wish.verb}", field="version")
    match wish.verb:
        case TransitionVerb.PROMOTE:
            return registry.plan_promotion(model, wish.version, wish.stage, actor=actor)
        case TransitionVerb.ROLL_BACK:
            return registry.plan_rollback(model)
        case TransitionVerb.UNDO:
            return registry.plan_undo(model)
        case TransitionVerb.ARCHIVE:
            return registry.plan_archive(model, wish.version)
