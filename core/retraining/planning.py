"""The plan of every model: what is due, what would happen, and why not now."""

from datetime import datetime

from core.registry import Registry
from core.registry.language_models import require_rows
from core.retraining.facts import facts_of, known_models
from core.retraining.triggers import RetrainingPlan, judge
from core.settings import PolicySource
from core.settings.policy import Policy
from core.state import Workspace


def plan_of(workspace: Workspace, model: str, *, now: datetime, policy: Policy | None = None) -> RetrainingPlan:
    """Say what is due for a model, what would happen, and what forbids it now. Nothing is changed.

    Args:
        workspace: The workspace.
        model: The model.
        now: The present.
        policy: The policy; by default the one in force.
    Raises:
        NotFoundError: There is no such model.
        AnswersNoRowsError: Its live version is a model of language.
        SettingsError: The policy cannot be used.
    """
    live = Registry(workspace).production(model)  # an unknown name is refused before the policy is read
    if live is not None:
        require_rows(live)
    rules = (policy or PolicySource(workspace.root).policy()).for_model(model).retraining
    return judge(rules, facts_of(workspace, model, rules, now=now, counts=True), now)


def plans(workspace: Workspace, *, now: datetime) -> list[RetrainingPlan]:
    """Say the same of every model with a live version; what was counted of rows is left out.

    Raises:
        SettingsError: The policy cannot be used.
    """
    policy = PolicySource(workspace.root).policy()
    found = []
    for model in known_models(workspace):
        rules = policy.for_model(model).retraining
        found.append(judge(rules, facts_of(workspace, model, rules, now=now), now))
    return found
