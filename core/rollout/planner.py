"""What starting a rollout would do, decided before anything is done."""

from collections.abc import Sequence

import msgspec

from core.actor import Actor
from core.quality.gate import GateResult
from core.registry import ModelVersion, Registry, Stage
from core.registry.language_models import is_language_model
from core.rollout.errors import RolloutActiveError
from core.rollout.expectation_text import deadline_warning, duration_lines, settle_lines
from core.rollout.expectations import Expectations, expect
from core.rollout.plan import RolloutPlan, at_most
from core.rollout.rollout import Rollout
from core.rollout.strategies import Strategy
from core.rollout.stricter import stricter_line
from core.rollout.unjudged import in_a_line, not_judged
from core.rollout.usual_traffic import UsualTraffic


class RolloutProposal(msgspec.Struct, frozen=True, kw_only=True):
    """A rollout that could be started, with its effects and the way back."""

    model: str
    stable: str  # empty if nothing is live
    candidate: str
    plan: RolloutPlan
    policy_sha256: str = ""  # of the model's rules that it was made by
    policy_files: tuple[str, ...] = ()
    gates: tuple[GateResult, ...] = ()  # the gates that judge going live at the end
    allowed: bool
    refusal: str | None = None
    effects: tuple[str, ...] = ()
    refused_newly: tuple[str, ...] = ()  # requests that the stable version accepts and the candidate refuses
    usual: UsualTraffic | None = None  # what the model did lately; None: nothing is known
    expected: Expectations | None = None  # how long each verdict takes in that traffic
    warning: str = ""  # why no verdict is to be expected before the deadline
    undo: str = ""


def propose(
    registry: Registry,
    model: str,
    candidate: str,
    plan: RolloutPlan,
    active: Rollout | None,
    *,
    actor: Actor | None = None,
    usual: UsualTraffic | None = None,
    refused_newly: Sequence[str] = (),
) -> RolloutProposal:
    """Read everything a start depends on; change nothing.

    Args:
        registry: The registry.
        model: The model.
        candidate: The version that gets traffic.
        plan: The plan.
        active: The rollout of the model that is still active.
        actor: Who will start it, if known.
        usual: The usual traffic of the model, if known.
        refused_newly: Requests that the stable version accepts and the candidate refuses.
    Raises:
        ModelNotFoundError: Nothing was registered under this name.
        VersionNotFoundError: The model has no such version.
    """
    version = registry.get(model, candidate)
    candidate = version.version  # an alias may point elsewhere tomorrow
    live = registry.production(model)
    gates: tuple[GateResult, ...] = ()
    refusal = refusal_of(version, live, plan.strategy, active)
    if refusal is None and plan.strategy.promotes:
        promotion = registry.plan_promotion(model, candidate, Stage.PRODUCTION, actor=actor)
        gates, refusal = promotion.gates, promotion.refusal
    elif refusal is None and plan.strategy.serves:
        refusal = registry.lacking_approvals(model, candidate, actor=actor)
    expected = None if usual is None else expect(plan, usual)
    warning = deadline_warning(plan, expected)
    effects: tuple[str, ...] = ()
    if live and refusal is None:
        first, *others = _effects(model, candidate, live.version, plan)
        durations = duration_lines(model, live.version, plan, usual, expected)
        stricter = stricter_line(live.version, candidate, refused_newly)
        # A small screen shows the first lines only.
        verdicts = registry.verdicts(model, candidate)
        effects = (first, *verdicts, *filter(None, (warning, stricter)), *others, *durations)
    return RolloutProposal(
        model=model,
        stable=live.version if live else "",
        candidate=candidate,
        plan=plan,
        gates=gates,
        allowed=refusal is None,
        refusal=refusal,
        effects=effects,
        refused_newly=tuple(refused_newly),
        usual=usual,
        expected=expected,
        warning=warning,
        undo=f"Abort immediately returns all traffic to {live.version}; it stays loaded until the end." if live else "",
    )


def refusal_of(
    version: ModelVersion, live: ModelVersion | None, strategy: Strategy, active: Rollout | None
) -> str | None:
    """Name the rule that forbids a rollout of a version, or None."""
    what = f"{version.model} {version.version}"
    if is_language_model(version) and strategy is not Strategy.CANARY:
        return (
            f"{what} is a model of language: its texts are compared between the callers of a canary, so {strategy} is "
            f"not there for it. Choose canary, or promote it."
        )
    if active is not None:
        return str(RolloutActiveError(active))
    if live is None:
        return (
            f"No version of {version.model} is in Production, so there is nothing to compare {what} with; promote it."
        )
    if version.version == live.version:
        return f"{what} is live already."
    if strategy is Strategy.SHADOW and version.stage is not Stage.ARCHIVED:
        return None
    if version.stage is not Stage.STAGING:
        return f"{what} is in {version.stage}; a candidate that answers requests must be in Staging. Promote it there."
    return None


def _effects(model: str, candidate: str, stable: str, plan: RolloutPlan) -> tuple[str, ...]:
    step = plan.steps[0]
    shares = " → ".join(f"{step.share * 100:g}%" for step in plan.steps)
    first = {
        Strategy.CANARY: f"{model} {candidate} answers {shares} of the requests, then all; {stable} answers the rest.",
        Strategy.BLUE_GREEN: f"{model} {candidate} answers all requests immediately; {stable} stays loaded.",
        Strategy.AB: f"{model} {candidate} answers {shares} of the requests while the experiment lasts.",
        Strategy.SHADOW: f"{model} {candidate} receives copies of {plan.mirror_share * 100:g}% of the requests; its "
        f"answers reach no caller.",
    }[plan.strategy]
    judged = ", ".join(map(plan.describe_guard, plan.guards))
    unjudged = in_a_line(not_judged(plan))
    least = f"Each step lasts at least {step.dwell_seconds:g} s and {step.min_samples:,} candidate answers."
    like = ", for losses like those seen" if plan.loss_guard is not None else ""
    end = {
        True: f"It goes to Production automatically once proven within its margins (confidence {1 - plan.beta:.0%} per "
        f"guard{like}).",
        False: "It ends with a finding; nothing goes live automatically.",
    }[plan.strategy.promotes]
    return (
        first,
        *_pairs(plan),
        f"Judged by {judged}; proven harm rolls it back automatically "
        f"(false-alarm rate at most {at_most(plan.alpha)}).",
        *_slices(plan),
        *((unjudged,) if unjudged else ()),
        *settle_lines(plan),
        least,
        end,
        f"After {plan.deadline_seconds / 3600:g} h without proof an operator decides.",
    )


def _pairs(plan: RolloutPlan) -> tuple[str, ...]:
    if not plan.scores_copies:
        return ()
    copied = "each request" if plan.mirror_share == 1 else f"{plan.mirror_share * 100:g}% of the requests"
    return (
        f"The other version scores a copy of {copied}: an answer does not change its outcome (policy), so losses are "
        f"compared row by row.",
    )


def _slices(plan: RolloutPlan) -> tuple[str, ...]:
    if not plan.slices:
        return ()
    columns, guards = "; ".join(map(str, plan.slices)), " and ".join(guard.name for guard in plan.sliced_guards)
    return (
        f"Slices: {guards} are also judged by {columns}. Half of the false-alarm rate is shared by the "
        f"{plan.n_slice_tests} comparisons.",
    )
