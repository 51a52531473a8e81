"""Aliases, tags and approvals of versions over HTTP, and the policy that applies to them."""

from typing import Any

import msgspec
from litestar import Controller, delete, get, patch, post, put
from litestar.params import FromPath, FromQuery, JSONBody

from core.registry import Alias, Approval, ModelVersion, Quarantine, Registry
from core.registry.later_denied import version_as_shown
from core.serving.authenticator import Caller
from core.serving.control.admission import APPROVE, LOOK, OPERATE, Given
from core.settings import PolicySource, settings_in_force
from core.state import Workspace


class Pointer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The target of an alias."""

    version: str
    expected_revision: int | None = None  # of the alias, when this was decided; 0 for a new alias
    reason: str = ""


class Words(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tags to change."""

    tags: dict[str, str]  # an empty value removes a tag
    expected_revision: int | None = None  # of the tagged object, when this was decided
    reason: str = ""


class Consent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Approval of a version for Production."""

    reason: str = ""


class MemberName(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A member of an ensemble, to be registered as a version of its own."""

    member: str
    reason: str = ""


class PolicyInForce(msgspec.Struct, frozen=True, kw_only=True):
    """The rules in force, and the files that define them; the last file wins."""

    files: tuple[str, ...]
    policy: dict[str, Any]


class VersionRoutes(Controller):
    """Aliases, tags and approvals."""

    path = "/"
    tags = ["registry"]

    @get("/policy", opt=LOOK, sync_to_thread=True)
    def get_policy(self, workspace: Given[Workspace], model: FromQuery[str | None] = None) -> PolicyInForce:
        """Return the rules in force, for all models or for one."""
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
        """Return one alias: its target, since when, and its author."""
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
        """Create or move an alias so that it points at a version."""
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
        """Remove an alias; its version stays."""
        Registry(workspace).remove_alias(
            model, alias, actor=caller.actor, reason=reason, expected_revision=expected_revision
        )

    @get("/models/{model:str}/versions/{version:str}/warnings", opt=LOOK, sync_to_thread=True)
    def list_warnings(self, workspace: Given[Workspace], model: FromPath[str], version: FromPath[str]) -> list[str]:
        """Report how this server differs from the environment of a version: Python, machine, relevant packages."""
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
        """Add or remove tags of a version; other tags stay."""
        tagged = Registry(workspace).set_tags(
            model,
            version,
            data.tags,
            actor=caller.actor,
            reason=data.reason,
            expected_revision=data.expected_revision,
        )
        return version_as_shown(workspace, tagged)

    @post("/models/{model:str}/versions/{version:str}/members", opt=OPERATE, sync_to_thread=True)
    def register_member(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        model: FromPath[str],
        version: FromPath[str],
        data: JSONBody[MemberName],
    ) -> ModelVersion:
        """Register a member of an ensemble as a version of its own, so that a rollout can compare the two."""
        from core.training.member_versions import register_member

        settings = settings_in_force(workspace.root)
        found = register_member(
            workspace, model, version, data.member, settings, actor=caller.actor, reason=data.reason
        )
        return version_as_shown(workspace, found.version)

    @get("/quarantine", opt=LOOK, sync_to_thread=True)
    def list_quarantined(self, workspace: Given[Workspace]) -> list[Quarantine]:
        """List the versions that killed the process that loaded them, and are not loaded any more."""
        return Registry(workspace).quarantined()

    @delete("/models/{model:str}/versions/{version:str}/quarantine", opt=OPERATE, status_code=200, sync_to_thread=True)
    def release(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        model: FromPath[str],
        version: FromPath[str],
        reason: FromQuery[str] = "",
    ) -> Quarantine:
        """Let a quarantined version be loaded again; it is tried in a process of its own first."""
        return Registry(workspace).release(model, version, actor=caller.actor, reason=reason)

    @get("/models/{model:str}/versions/{version:str}/approvals", opt=LOOK, sync_to_thread=True)
    def list_approvals(
        self, workspace: Given[Workspace], model: FromPath[str], version: FromPath[str]
    ) -> list[Approval]:
        """List the approvals recorded for the next promotion; a plan says which of them count for yours."""
        return Registry(workspace).approvals(model, version)

    @post("/models/{model:str}/versions/{version:str}/approvals", opt=APPROVE, sync_to_thread=True)
    def approve(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        model: FromPath[str],
        version: FromPath[str],
        data: JSONBody[Consent],
    ) -> Approval:
        """Approve a version for Production as the owner of this token; another person must promote it."""
        return Registry(workspace).approve(model, version, actor=caller.actor, reason=data.reason)

    @delete("/models/{model:str}/versions/{version:str}/approvals", opt=APPROVE, status_code=200, sync_to_thread=True)
    def withdraw_approval(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        model: FromPath[str],
        version: FromPath[str],
        reason: FromQuery[str] = "",
    ) -> Approval:
        """Withdraw your approval."""
        return Registry(workspace).withdraw_approval(model, version, actor=caller.actor, reason=reason)
