"""Rollouts over HTTP."""

from typing import Annotated

import msgspec
from litestar import Controller, get, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

from core.actor import Actor
from core.rollout import DesiredRollout, Rollout, RolloutProposal, Rollouts, Strategy
from core.rollout.later_denied import all_as_shown, as_shown
from core.serving.authenticator import Caller
from core.serving.control.admission import LOOK, OPERATE, Given
from core.serving.errors import BadRequestError
from core.state import Workspace
from core.state.brief import whole


class RolloutWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rollout to plan."""

    model: str
    candidate: str
    strategy: Strategy = Strategy.CANARY
    share: Annotated[float, Meta(gt=0, le=1)] | None = None  # share of the first step; by default the policy's


class RolloutStart(RolloutWish, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rollout to start."""

    stable: str  # the Production version when this was decided
    reason: str = ""


class RolloutRequestBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The desired state of a rollout."""

    desired: DesiredRollout | None = None
    advance: bool = False  # go to the next step now
    step: Annotated[int, Meta(ge=0)] | None = None  # the step to advance to, from 0: a repeated request advances once
    expected_revision: int | None = None
    override: str = ""  # for a promotion against the verdict of an earlier rollout: why it does not count
    reason: str = ""


class RolloutRoutes(Controller):
    """Rollouts."""

    path = "/rollouts"
    tags = ["rollouts"]

    @get("/", opt=LOOK, sync_to_thread=True)
    def list_rollouts(self, workspace: Given[Workspace], active: FromQuery[bool] = False) -> list[Rollout]:
        """List every rollout, newest first, or only active rollouts."""
        found = (each for each in reversed(Rollouts(workspace).in_brief()) if each.is_active or not active)
        return all_as_shown(workspace, [whole(each) for each in found])

    @get("/{rollout_id:str}", opt=LOOK, sync_to_thread=True)
    def get_rollout(self, workspace: Given[Workspace], rollout_id: FromPath[str]) -> Rollout:
        """Return one rollout with its evidence and events; a model in place of an id means its active rollout."""
        return as_shown(workspace, Rollouts(workspace).named(rollout_id))

    @post("/plans", opt=LOOK, status_code=200, sync_to_thread=True)
    def plan_rollout(
        self, workspace: Given[Workspace], caller: Given[Caller], data: JSONBody[RolloutWish]
    ) -> RolloutProposal:
        """Plan a rollout in your name; nothing is changed."""
        return _proposal(workspace, data, caller.actor)

    @post("/", opt=OPERATE, sync_to_thread=True)
    def start_rollout(
        self, workspace: Given[Workspace], caller: Given[Caller], data: JSONBody[RolloutStart]
    ) -> Rollout:
        """Start a rollout, if the stable version has not changed since the decision."""
        proposal = msgspec.structs.replace(_proposal(workspace, data, caller.actor), stable=data.stable)
        return Rollouts(workspace).start(proposal, actor=caller.actor, reason=data.reason)

    @post("/{rollout_id:str}/requests", opt=OPERATE, status_code=200, sync_to_thread=True)
    def request_change(
        self,
        workspace: Given[Workspace],
        caller: Given[Caller],
        rollout_id: FromPath[str],
        data: JSONBody[RolloutRequestBody],
    ) -> Rollout:
        """Hold, resume, abort or advance a rollout, or promote its candidate now.

        Instead of its id, the path may name a model, which means the active rollout of that model.
        """
        rollouts = Rollouts(workspace)
        if data.advance == (data.desired is not None):
            raise BadRequestError("Give either `desired` or `advance`.")
        if data.desired is None:
            advanced = rollouts.advance(
                rollout_id,
                actor=caller.actor,
                reason=data.reason,
                step=data.step,
                expected_revision=data.expected_revision,
            )
            return as_shown(workspace, advanced)
        if data.step is not None:
            raise BadRequestError("is only valid with `advance`", field="step")
        changed = rollouts.request(
            rollout_id,
            data.desired,
            actor=caller.actor,
            reason=data.reason,
            expected_revision=data.expected_revision,
            override=data.override,
        )
        return as_shown(workspace, changed)


def _proposal(workspace: Workspace, wish: RolloutWish, actor: Actor) -> RolloutProposal:
    return Rollouts(workspace).plan(wish.model, wish.candidate, wish.strategy, share=wish.share, actor=actor)
