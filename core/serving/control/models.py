"""The registry over HTTP: look, see what a move would do, move."""

from typing import Annotated

import msgspec
from litestar import Controller, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from core.registry import (
    Alias,
    IntegrityResult,
    ModelVersion,
    Plan,
    RegisteredModel,
    Registry,
    Stage,
    Transition,
    Verb,
    VersionDiff,
)
from core.serving.control.admission import LOOK, OPERATE
from core.serving.errors import BadRequestError
from core.serving.gatekeeper import Caller
from core.state import Workspace


class Wish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be done with the versions of a model."""

    verb: Verb
    version: str = ""  # a rollback and an undo find theirs
    stage: Stage | None = None  # of a promotion; the next one if left out


class Move(Wish, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A wish to be carried out."""

    expected_revision: int  # that of the plan the decision was made on
    reason: str = ""


class Pointer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where an alias is to point."""

    version: str
    reason: str = ""


class Models(Controller):
    """Models and their versions."""

    path = "/models"
    tags = ["registry"]

    @get("/", opt=LOOK, sync_to_thread=True)
    def list_models(self, workspace: NamedDependency[Workspace]) -> list[RegisteredModel]:
        """List every model and which of its versions is live."""
        return Registry(workspace).models()

    @get("/{model:str}/versions", opt=LOOK, sync_to_thread=True)
    def list_versions(
        self, workspace: NamedDependency[Workspace], model: FromPath[str], stage: FromQuery[Stage | None] = None
    ) -> list[ModelVersion]:
        """List the versions of a model, newest first, of one stage if given."""
        return [v for v in reversed(Registry(workspace).versions(model)) if stage in (None, v.stage)]

    @get("/{model:str}/versions/{version:str}", opt=LOOK, sync_to_thread=True)
    def get_version(
        self, workspace: NamedDependency[Workspace], model: FromPath[str], version: FromPath[str]
    ) -> ModelVersion:
        """Return one version with its metrics, gates and lineage."""
        return Registry(workspace).get(model, version)

    @get("/{model:str}/history", opt=LOOK, sync_to_thread=True)
    def list_history(
        self, workspace: NamedDependency[Workspace], model: FromPath[str], version: FromQuery[str | None] = None
    ) -> list[Transition]:
        """List who moved which version when and why, newest first."""
        return Registry(workspace).history(model, version)

    @get("/{model:str}/diff", opt=LOOK, sync_to_thread=True)
    def diff_versions(
        self,
        workspace: NamedDependency[Workspace],
        model: FromPath[str],
        before: FromQuery[str],
        after: FromQuery[str],
        changed_only: Annotated[bool, QueryParameter(description="Leave out what is the same.")] = True,
    ) -> VersionDiff:
        """Lay two versions side by side."""
        diff = Registry(workspace).diff(model, before, after)
        return msgspec.structs.replace(diff, rows=diff.changed) if changed_only else diff

    @get("/{model:str}/integrity", opt=LOOK, sync_to_thread=True)
    def verify_versions(
        self, workspace: NamedDependency[Workspace], model: FromPath[str], version: FromQuery[str | None] = None
    ) -> list[IntegrityResult]:
        """Hash the files of versions again and compare them with what was registered."""
        return Registry(workspace).verify(model, version)

    @get("/{model:str}/aliases", opt=LOOK, sync_to_thread=True)
    def list_aliases(self, workspace: NamedDependency[Workspace], model: FromPath[str]) -> dict[str, str]:
        """Return the version behind every alias of a model."""
        return Registry(workspace).aliases(model)

    @put("/{model:str}/aliases/{alias:str}", opt=OPERATE, sync_to_thread=True)
    def set_alias(
        self,
        workspace: NamedDependency[Workspace],
        caller: NamedDependency[Caller],
        model: FromPath[str],
        alias: FromPath[str],
        data: JSONBody[Pointer],
    ) -> Alias:
        """Point an alias at a version, from wherever it pointed before."""
        return Registry(workspace).set_alias(model, alias, data.version, actor=caller.actor, reason=data.reason)

    @delete("/{model:str}/aliases/{alias:str}", opt=OPERATE, sync_to_thread=True)
    def remove_alias(
        self,
        workspace: NamedDependency[Workspace],
        caller: NamedDependency[Caller],
        model: FromPath[str],
        alias: FromPath[str],
        reason: FromQuery[str] = "",
    ) -> None:
        """Take an alias away; its version stays."""
        Registry(workspace).remove_alias(model, alias, actor=caller.actor, reason=reason)

    @post("/{model:str}/plans", opt=LOOK, status_code=200, sync_to_thread=True)
    def plan_move(self, workspace: NamedDependency[Workspace], model: FromPath[str], data: JSONBody[Wish]) -> Plan:
        """Say what a move would do, gate by gate; nothing is changed."""
        return _plan(Registry(workspace), model, data)

    @post("/{model:str}/moves", opt=OPERATE, status_code=200, sync_to_thread=True)
    def apply_move(
        self,
        workspace: NamedDependency[Workspace],
        caller: NamedDependency[Caller],
        model: FromPath[str],
        data: JSONBody[Move],
    ) -> list[ModelVersion]:
        """Promote, roll back, undo or archive, if the plan it was decided on still holds."""
        registry = Registry(workspace)
        plan = msgspec.structs.replace(_plan(registry, model, data), expected_revision=data.expected_revision)
        return list(registry.apply(plan, actor=caller.actor, reason=data.reason))


def _plan(registry: Registry, model: str, wish: Wish) -> Plan:
    if wish.verb in (Verb.PROMOTE, Verb.ARCHIVE) and not wish.version:
        raise BadRequestError(f"is needed to {wish.verb}", field="version")
    match wish.verb:
        case Verb.PROMOTE:
            return registry.plan_promotion(model, wish.version, wish.stage)
        case Verb.ROLL_BACK:
            return registry.plan_rollback(model)
        case Verb.UNDO:
            return registry.plan_undo(model)
        case Verb.ARCHIVE:
            return registry.plan_archive(model, wish.version)
