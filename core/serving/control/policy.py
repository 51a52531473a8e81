"""Rehearsals of policies over HTTP."""

from datetime import timedelta
from typing import Annotated, Any

import msgspec
from litestar import Controller, post
from litestar.params import JSONBody
from msgspec import Meta

from core.clock import utc_now
from core.field_problems import field_problem
from core.json_documents import converted
from core.retraining.rehearsal.documents import Rehearsal, RehearsedCount
from core.retraining.rehearsal.rehearse import MOST_DAYS, rehearse
from core.serving.control.admission import INSPECT, Given
from core.serving.errors import BadRequestError
from core.settings import Policy, PolicySource
from core.settings.overlay import overlay
from core.state import Workspace


class RehearsalWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another policy, and how far back it is rehearsed."""

    policy: dict[str, Any]  # keys of `policy:` in bondx.yaml, laid over the policy in force
    over_days: Annotated[float, Meta(gt=0, le=MOST_DAYS)] = 30.0
    models: list[str] = []  # empty: all of them


class PolicyRehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """A rehearsal, with its events counted by kind."""

    rehearsal: Rehearsal
    counts: tuple[RehearsedCount, ...]


class PolicyRoutes(Controller):
    """Policies."""

    path = "/policy"
    tags = ["policy"]

    @post("/rehearsals", opt=INSPECT, status_code=200, sync_to_thread=True)
    def rehearse_policy(self, workspace: Given[Workspace], data: JSONBody[RehearsalWish]) -> PolicyRehearsal:
        """Say what another policy would have done on the recorded past; nothing is changed."""
        in_force = PolicySource(workspace.root).policy()
        try:
            policy = converted(overlay(msgspec.to_builtins(in_force), data.policy), Policy)
            for model in policy.overrides:
                policy.for_model(model)
        except msgspec.ValidationError as error:
            field, problem = field_problem(error)
            raise BadRequestError(problem, field=f"policy.{field}" if field else "policy") from None
        found = rehearse(
            workspace, policy, over=timedelta(days=data.over_days), now=utc_now(), models=tuple(data.models)
        )
        return PolicyRehearsal(rehearsal=found, counts=found.counts())
