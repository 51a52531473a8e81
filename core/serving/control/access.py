"""Grants, roles and the caller's own rights over HTTP."""

from datetime import timedelta
from typing import Annotated

import msgspec
from litestar import Controller, delete, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

from core.access import VERBS, CustomRole, Door, Grant, Principal, decide, principal_of
from core.access.listing import ListedRight, ListedVerb, OwnAccess, own_access, rights_of, verbs_of
from core.alerts.broken_glass import BrokenGlass
from core.clock import utc_now
from core.errors import UsageError
from core.escape import shown
from core.governance.grants import Grants
from core.registry import Stage
from core.serving.authenticator import Caller
from core.serving.control.admission import ADMINISTER, INSPECT, REPAIR, REPORT, Given
from core.state import Workspace


class WantedGrant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A role to give."""

    principal: str  # user:ana, group:quants, token:t-0001, oidc:SUBJECT, oidc-group:NAME
    role: str
    models: list[str] = []  # patterns; by default all models
    stages: list[str] = []
    valid_hours: Annotated[float, Meta(gt=0, le=87_600)] | None = None  # None: as long as the giver has it
    reason: str = ""


class WantedRole(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A role of one's own."""

    verbs: list[str]  # or patterns of verbs
    reason: str = ""


class Emergency(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why the glass is broken."""

    reason: str
    valid_hours: Annotated[float, Meta(gt=0, le=24)] | None = None  # by default an hour, or as long as the right to it


class AccessAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Whether somebody may do something, and why."""

    principal: str
    verb: str
    is_allowed: bool
    reason: str


class AccessRoutes(Controller):
    """Who may do what."""

    path = "/access"
    tags = ["access"]

    @get("/", opt=INSPECT, sync_to_thread=True)
    def list_rights(self, workspace: Given[Workspace], ended: FromQuery[bool] = False) -> list[ListedRight]:
        """List who has which role, with its limits."""
        return rights_of(Door(workspace).rules(), utc_now(), ended=ended)

    @get("/whoami", opt=REPORT, sync_to_thread=True)
    def get_own(self, workspace: Given[Workspace], caller: Given[Caller]) -> OwnAccess:
        """Return the rights of this token."""
        return own_access(Door(workspace).rules(), principal_of(caller.actor), utc_now())

    @get("/verbs", opt=INSPECT, sync_to_thread=True)
    def list_verbs(self, workspace: Given[Workspace]) -> list[ListedVerb]:
        """List every verb with its class and the roles that hold it."""
        return verbs_of(Door(workspace).rules())

    @get("/check", opt=INSPECT, sync_to_thread=True)
    def check_verb(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        verb: FromQuery[str],
        model: FromQuery[str | None] = None,
        stage: FromQuery[str | None] = None,
        principal: FromQuery[str | None] = None,
    ) -> AccessAnswer:
        """Say whether this token, or somebody else, may do a verb, and why."""
        if verb not in VERBS:
            raise UsageError(f"{shown(verb)} is no verb: GET /api/v1/access/verbs lists them.")
        asked = principal_of(caller.actor) if principal is None else Principal.named(principal)
        named = None if stage is None else Stage.named(stage)
        decision = decide(Door(workspace).rules(), asked, verb, model=model, stage=named, now=utc_now())
        return AccessAnswer(principal=str(asked), verb=verb, **decision._asdict())

    @post("/grants", opt=ADMINISTER, sync_to_thread=True)
    def grant(self, workspace: Given[Workspace], caller: Given[Caller], data: JSONBody[WantedGrant]) -> Grant:
        """Give a role; the first grant makes grants count."""
        return Grants(workspace).grant(
            Principal.named(data.principal),
            data.role,
            actor=caller.actor,
            models=data.models,
            stages=[Stage.named(stage) for stage in data.stages],
            valid=None if data.valid_hours is None else timedelta(hours=data.valid_hours),
            reason=data.reason,
        )

    @delete("/grants/{grant_id:str}", opt=ADMINISTER, status_code=200, sync_to_thread=True)
    def revoke(
        self, workspace: Given[Workspace], caller: Given[Caller], grant_id: FromPath[str], reason: FromQuery[str] = ""
    ) -> list[Grant]:
        """Take a grant back, or every grant of a principal."""
        revoked = Grants(workspace).revoke([grant_id], actor=caller.actor, reason=reason)
        BrokenGlass(workspace).keep_up()
        return revoked

    @post("/emergencies", opt=REPAIR, sync_to_thread=True)
    def break_glass(self, workspace: Given[Workspace], caller: Given[Caller], data: JSONBody[Emergency]) -> Grant:
        """Let this token be an admin for a short time, in an emergency; an alert says so."""
        made = Grants(workspace).break_glass(
            actor=caller.actor,
            reason=data.reason,
            valid=None if data.valid_hours is None else timedelta(hours=data.valid_hours),
        )
        BrokenGlass(workspace).keep_up()
        return made

    @get("/roles", opt=INSPECT, sync_to_thread=True)
    def list_roles(self, workspace: Given[Workspace]) -> list[CustomRole]:
        """List the roles of this workspace's own."""
        return Grants(workspace).roles()

    @put("/roles/{name:str}", opt=ADMINISTER, sync_to_thread=True)
    def define_role(
        self, workspace: Given[Workspace], caller: Given[Caller], name: FromPath[str], data: JSONBody[WantedRole]
    ) -> CustomRole:
        """Define a role as a set of verbs, or define it anew."""
        return Grants(workspace).define_role(name, data.verbs, actor=caller.actor, reason=data.reason)

    @delete("/roles/{name:str}", opt=ADMINISTER, status_code=200, sync_to_thread=True)
    def remove_role(
        self, workspace: Given[Workspace], caller: Given[Caller], name: FromPath[str], reason: FromQuery[str] = ""
    ) -> CustomRole:
        """Remove a role that nobody has."""
        return Grants(workspace).remove_role(name, actor=caller.actor, reason=reason)
