"""What people say of versions, over HTTP: aliases, tags, approvals; and the policy that they are held against."""

from typing import Any

import msgspec
from litestar import Controller, delete, get, patch, post, put
from litestar.params import FromPath, FromQuery, JSONBody

from core.registry import Alias, Approval, ModelVersion, Registry
from core.serving.authenticator import Caller
from core.serving.control.admission import LOOK, OPERATE, Given
from core.settings import PolicySource
from core.state import Workspace


class Pointer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where an alias is to point."""

    version: str
    expected_revision: int | None = None  # of the alias, as it was when this was decided; 0 where there was none
    reason: str = ""


class Words(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words to find something by."""

    tags: dict[str, str]  # an empty one takes a tag away
    expected_revision: int | None = None  # of what is tagged, as it was when this was decided
    reason: str = ""


class Consent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """That a version may go to Production."""

    reason: str = ""


class PolicyInForce(msgspec.Struct, frozen=True, kw_only=True):
    """The rules that count, and the files that they stand in, the one that wins last."""

    files: tuple[str, ...]
    policy: dict[str, Any]


class VersionRoutes(Controller):
    """What is said of versions."""

    path = "/"
    tags = ["registry"]

    @get("/policy", opt=LOOK, sync_to_thread=True)
    def get_policy(self, workspace: Given[Workspace], model: FromQuery[str | None] = None) -> PolicyInForce:
        """Return the rules that count, for all models or for one."""
        source = PolicySource(workspace.root)
        policy = source.policy()
        return PolicyInForce(
            files=tuple(file.name for file in source.files()),
            policy=msgspec.to_builtins(policy.for_model(model) if model else policy),
        )

    @get("/models/{model:str}/aliases", opt=LOOK, sync_to_thread=True)
    def list_aliases(self, workspace: Given[Workspace], model: FromPath[str]) -> dict[str, str]:
        """Return the version behind every alias of a model."""
        return Registry(workspace).aliases(model)

    @get("/models/{model:str}/aliases/{alias:str}", opt=LOOK, sync_to_thread=True)
    def get_alias(self, workspace: Given[Workspace], model: FromPath[str], alias: FromPath[str]) -> Alias:
        """Return one alias: where it points, since when, and by whose hand."""
        return Registry(workspace).alias(model, alias)

    @put("/models/{model:str}/aliases/{alias:str}", opt=OPERATE, sync_to_thread=True)
    def set_alias(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        model: FromPath[str],
        alias: FromPath[str],
        data: JSONBody[Pointer],
    ) -> Alias:
        """Point an alias at a version, from wherever it pointed before."""
        return Registry(workspace).set_alias(
            model,
            alias,
            data.version,
            actor=caller.actor,
            reason=data.reason,
            expected_revision=data.expected_revision,
        )

    @delete("/models/{model:str}/aliases/{alias:str}", opt=OPERATE, sync_to_thread=True)
    def remove_alias(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        model: FromPath[str],
        alias: FromPath[str],
        expected_revision: FromQuery[int | None] = None,
        reason: FromQuery[str] = "",
    ) -> None:
        """Take an alias away; its version stays."""
        Registry(workspace).remove_alias(
            model, alias, actor=caller.actor, reason=reason, expected_revision=expected_revision
        )

    @get("/models/{model:str}/versions/{version:str}/warnings", opt=LOOK, sync_to_thread=True)
    def list_warnings(self, workspace: Given[Workspace], model: FromPath[str], version: FromPath[str]) -> list[str]:
        """Say in what this server differs from where a version was made: Python, machine, packages that matter."""
        return list(Registry(workspace).environment_warnings(model, version))

    @patch("/models/{model:str}/versions/{version:str}/tags", opt=OPERATE, sync_to_thread=True)
    def set_tags(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        model: FromPath[str],
        version: FromPath[str],
        data: JSONBody[Words],
    ) -> ModelVersion:
        """Add words to find a version by, or take some away; the others stay."""
        return Registry(workspace).set_tags(
            model,
            version,
            data.tags,
            actor=caller.actor,
            reason=data.reason,
            expected_revision=data.expected_revision,
        )

    @get("/models/{model:str}/versions/{version:str}/approvals", opt=LOOK, sync_to_thread=True)
    def list_approvals(
        self, workspace: Given[Workspace], model: FromPath[str], version: FromPath[str]
    ) -> list[Approval]:
        """List the approvals on record for the next promotion; a plan says which of them count for yours."""
        return Registry(workspace).approvals(model, version)

    @post("/models/{model:str}/versions/{version:str}/approvals", opt=OPERATE, sync_to_thread=True)
    def approve(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        model: FromPath[str],
        version: FromPath[str],
        data: JSONBody[Consent],
    ) -> Approval:
        """Say, as the person whose token this is, that a version may go to Production; for somebody else to promote."""
        return Registry(workspace).approve(model, version, actor=caller.actor, reason=data.reason)

    @delete("/models/{model:str}/versions/{version:str}/approvals", opt=OPERATE, status_code=200, sync_to_thread=True)
    def withdraw_approval(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        model: FromPath[str],
        version: FromPath[str],
        reason: FromQuery[str] = "",
    ) -> Approval:
        """Take your approval back."""
        return Registry(workspace).withdraw_approval(model, version, actor=caller.actor, reason=reason)
