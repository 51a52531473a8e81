"""Retrainings over HTTP."""

from typing import Annotated

import msgspec
from litestar import Controller, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from core.clock import utc_now
from core.retraining.document import DesiredRetraining, Retraining
from core.retraining.leaderboard import LeaderboardEntry, leaderboard
from core.retraining.planning import plan_of, plans
from core.retraining.retrainings import ASKED_PRIORITY, MOST_PRIORITY, Retrainings
from core.retraining.triggers import RetrainingPlan
from core.serving.authenticator import Caller
from core.serving.control.admission import APPROVE, LOOK, OPERATE, Given
from core.state import Workspace


class RetrainingWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model to train anew."""

    model: str
    reason: str = ""
    priority: Annotated[int, Meta(ge=0, le=MOST_PRIORITY)] = ASKED_PRIORITY  # the highest computes first


class RetrainingRequestBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The desired state of a retraining."""

    desired: DesiredRetraining
    expected_revision: int | None = None  # of the retraining, when this was decided
    reason: str = ""


class RetrainingApprovalBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person's approval."""

    expected_revision: int | None = None
    reason: str = ""


class RetrainingRoutes(Controller):
    """Retrainings."""

    path = "/retrainings"
    tags = ["retraining"]

    @get("/", opt=LOOK, sync_to_thread=True)
    def list_retrainings(self, workspace: Given[Workspace]) -> list[Retraining]:
        """List every retraining, newest first."""
        return list(reversed(Retrainings(workspace).all()))

    @get("/plans", opt=LOOK, sync_to_thread=True)
    def list_plans(self, workspace: Given[Workspace]) -> list[RetrainingPlan]:
        """Say of every model with a live version what is due, and why not now."""
        return plans(workspace, now=utc_now())

    @get("/plans/{model:str}", opt=LOOK, sync_to_thread=True)
    def get_plan(self, workspace: Given[Workspace], model: FromPath[str]) -> RetrainingPlan:
        """Say what is due for a model, what would happen, and why not now; labelled rows are counted."""
        return plan_of(workspace, model, now=utc_now())

    @get("/leaderboards/{model:str}", opt=LOOK, sync_to_thread=True)
    def get_leaderboard(self, workspace: Given[Workspace], model: FromPath[str]) -> list[LeaderboardEntry]:
        """Rank the live version of a model and the versions that were compared with it, the best first."""
        return list(leaderboard(workspace, model, now=utc_now()))

    @get("/{retraining_id:str}", opt=LOOK, sync_to_thread=True)
    def get_retraining(self, workspace: Given[Workspace], retraining_id: FromPath[str]) -> Retraining:
        """Return one retraining by its id, or by its model the active one, else the newest."""
        return Retrainings(workspace).named(retraining_id)

    @post("/", opt=OPERATE, sync_to_thread=True)
    def start_retraining(
        self, workspace: Given[Workspace], caller: Given[Caller], data: JSONBody[RetrainingWish]
    ) -> Retraining:
        """Train a model anew, whatever its triggers, cooldown and blackouts say."""
        return Retrainings(workspace).now(data.model, actor=caller.actor, reason=data.reason, priority=data.priority)

    @post("/{retraining_id:str}/requests", opt=OPERATE, status_code=200, sync_to_thread=True)
    def request_change(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        retraining_id: FromPath[str],
        data: JSONBody[RetrainingRequestBody],
    ) -> Retraining:
        """Hold, resume or cancel a retraining."""
        return Retrainings(workspace).request(
            retraining_id,
            data.desired,
            actor=caller.actor,
            reason=data.reason,
            expected_revision=data.expected_revision,
        )

    @post("/{retraining_id:str}/approvals", opt=APPROVE, status_code=200, sync_to_thread=True)
    def approve_retraining(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        retraining_id: FromPath[str],
        data: JSONBody[RetrainingApprovalBody],
    ) -> Retraining:
        """Let the new version meet traffic; each person counts once."""
        return Retrainings(workspace).approve(
            retraining_id, actor=caller.actor, reason=data.reason, expected_revision=data.expected_revision
        )
