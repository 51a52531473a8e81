"""What dialogs ask about rollouts: start one, go a step further, go live, hold, resume, take it back."""

from enum import StrEnum

from console.presentation.gates import gate_lines
from console.presentation.offers import Commit, Offer, section, without_engine
from console.presentation.phrases import share
from console.presentation.rollouts import phase_text, share_set, words
from core.registry import Plan
from core.rollout import Desired, GuardVerdict, Phase, Rollout, RolloutProposal, Strategy
from widgets.glyphs import Glyphs
from widgets.line import Line


class Ask(StrEnum):
    """What an operator can ask of a rollout."""

    ADVANCE = "advance"
    PROMOTE = "promote"
    HOLD = "hold"
    RESUME = "resume"
    ABORT = "abort"


def step_ask(rollout: Rollout) -> Ask:
    """Say what one step further is: the next share, or after the last one going live."""
    return Ask.ADVANCE if rollout.observed.step < rollout.plan.last_step else Ask.PROMOTE


def hold_ask(rollout: Rollout) -> Ask:
    """Say what the key for both means now: hold what runs, resume what is held or undecided."""
    rests = rollout.desired is Desired.PAUSED or rollout.observed.phase in (Phase.PAUSED, Phase.INCONCLUSIVE)
    return Ask.RESUME if rests else Ask.HOLD


def refusal(rollout: Rollout, ask: Ask) -> str | None:
    """Say why a rollout cannot be asked for this now, or None when it can."""
    name, observed = rollout.rollout_id, rollout.observed
    if not rollout.is_active:
        return f"{name} has ended: {words(observed.phase)}. A new one starts in the Registry: 3, then C."
    if rollout.desired is Desired.ABORTED:
        return f"{name} is being aborted already, by {rollout.desired_by}; the engine ends it."
    if ask in (Ask.ADVANCE, Ask.PROMOTE):
        if observed.phase is Phase.PENDING:
            return f"The first step of {name} is not open yet; an engine opens it."
        if ask is Ask.PROMOTE and not rollout.strategy.promotes:
            return f"{name} ends in a finding, not live; promote {rollout.candidate} in the Registry."
        if rollout.desired is Desired.PROMOTE_NOW or rollout.desired_step > observed.step:
            return f"{rollout.desired_by} has asked {name} for that already; the engine does it."
        if ask is Ask.ADVANCE and observed.step >= rollout.plan.last_step:
            return f"{name} is at its last step; P asks for it to go live."
    if ask is Ask.HOLD and rollout.desired is Desired.PAUSED:
        return f"{name} is held already, by {rollout.desired_by}."
    is_running = rollout.desired is Desired.RUNNING and observed.phase in (Phase.PENDING, Phase.RUNNING)
    if ask is Ask.RESUME and is_running:
        return f"{name} is neither held nor undecided."
    return None


def start_rollout_offer(proposal: RolloutProposal, glyphs: Glyphs, commit: Commit, *, has_engine: bool) -> Offer:
    """Offer to start a rollout. What ends live by itself is confirmed by typing the version."""
    plan = proposal.plan
    lines = [_move(proposal.model, proposal.stable or "nothing live", proposal.candidate, glyphs)]
    if plan.strategy is not Strategy.SHADOW:
        shares = f" {glyphs.arrow} ".join(share(step.share, 0) for step in plan.steps)
        end = f" {glyphs.arrow} all" if plan.strategy.promotes and plan.steps[-1].share < 1 else ""
        lines.append(Line((("traffic  ", "muted"), (f"0% {glyphs.arrow} {shares}{end}", "strong"))))
    if proposal.gates:
        lines += [Line(), Line((("Gates to pass at the end", "title"),)), *gate_lines(proposal.gates, glyphs)]
    lines += section("What will happen", (*proposal.effects, *without_engine(has_engine)) if proposal.allowed else ())
    lines += section("How to undo it", (proposal.undo,) if proposal.undo and proposal.allowed else ())
    return Offer(
        title=f"Start a rollout ({words(plan.strategy)}) of {proposal.model} {proposal.candidate}",
        lines=tuple(lines),
        confirm="Start",
        typed=proposal.candidate if plan.strategy.promotes else None,
        refusal=None if proposal.allowed else proposal.refusal or "The rules do not allow this.",
        commit=commit,
    )


def rollout_offer(rollout: Rollout, ask: Ask, glyphs: Glyphs, commit: Commit, *, has_engine: bool) -> Offer:
    """Offer to ask something of a rollout, as it was when the key was pressed; for going live see `go_live_offer`."""
    confirm, effects, undo = _words(rollout, ask)
    lines = [
        _move(rollout.model, rollout.stable, rollout.candidate, glyphs),
        Line((("now      ", "muted"), (f"{phase_text(rollout)}, {share(share_set(rollout), 0)} of the traffic", ""))),
        Line((("then     ", "muted"), (_then(rollout, ask), "strong"))),
        *section("What will happen", (*effects, *_late(ask, has_engine=has_engine))),
        *section("How to undo it", (undo,)),
    ]
    return Offer(
        title=f"{confirm} {rollout.rollout_id} of {rollout.model}",
        lines=tuple(lines),
        confirm=confirm,
        refusal=refusal(rollout, ask),
        commit=commit,
    )


def go_live_offer(rollout: Rollout, plan: Plan, glyphs: Glyphs, commit: Commit, *, has_engine: bool) -> Offer:
    """Offer to let a candidate go live without waiting for proof; confirmed by typing its version."""
    unproven = [
        reading for reading in rollout.observed.readings if reading.required and reading.verdict != GuardVerdict.SAFE
    ]
    lines = [_move(rollout.model, rollout.stable, rollout.candidate, glyphs)]
    lines.append(Line((("traffic  ", "muted"), (f"{share(share_set(rollout), 0)} {glyphs.arrow} 100%", "strong"))))
    if unproven:
        lines += [Line(), Line((("Not shown yet", "title"),))]
        lines += [Line(((f"{glyphs.warned} {reading.reason}", "warn"),)) for reading in unproven]
    if plan.gates:
        lines += [Line(), Line((("Gates", "title"),)), *gate_lines(plan.gates, glyphs)]
    lines += [Line(((warning, "warn"),)) for warning in plan.warnings]
    effects = (
        f"{rollout.candidate} goes to Production and answers everything; {rollout.stable} is archived.",
        "Gates and harm shown until then still refuse.",
    )
    lines += section("What will happen", (*effects, *without_engine(has_engine)))
    lines += section("How to undo it", (f"R brings {rollout.stable} back; U undoes the promotion.",))
    return Offer(
        title=f"Promote {rollout.model} {rollout.candidate} without waiting for proof",
        lines=tuple(lines),
        confirm="Promote",
        typed=rollout.candidate,
        refusal=refusal(rollout, Ask.PROMOTE) or (None if plan.allowed else plan.refusal),
        commit=commit,
    )


def _words(rollout: Rollout, ask: Ask) -> tuple[str, tuple[str, ...], str]:
    """Return the word on the button, the effects, and the way back."""
    stable, candidate = rollout.stable, rollout.candidate
    match ask:
        case Ask.ADVANCE:
            to = share(rollout.plan.steps[min(rollout.observed.step + 1, rollout.plan.last_step)].share, 0)
            effects = (f"{candidate} answers {to} of the requests without waiting for dwell time and samples.",)
            return "Advance", (*effects, "Harm is watched for as before."), "A returns all traffic at once."
        case Ask.HOLD:
            effects = ("It stays at its share, whatever the evidence says for it; shown harm still takes it back.",)
            return "Hold", effects, "H lets it go on; the time on hold does not count."
        case Ask.RESUME:
            late = rollout.observed.phase is Phase.INCONCLUSIVE
            effects = ("It goes on with a new deadline." if late else "It goes on from where it was held.",)
            return "Resume", effects, "H holds it again."
        case Ask.ABORT:
            effects = (
                f"{stable} answers all requests as soon as the servers see this, and the rollout ends.",
                "No engine is needed for either.",
                f"{candidate} stays in its stage, and what was observed stays on record.",
            )
            return "Abort", effects, "Start a new rollout; the evidence begins anew."
        case Ask.PROMOTE:
            raise ValueError("going live has an offer of its own")


def _then(rollout: Rollout, ask: Ask) -> str:
    match ask:
        case Ask.ADVANCE:
            step = min(rollout.observed.step + 1, rollout.plan.last_step)
            return f"step {step + 1} of {len(rollout.plan.steps)}, {share(rollout.plan.steps[step].share, 0)}"
        case Ask.ABORT:
            return f"aborted, 0%; all traffic to {rollout.stable}"
        case Ask.HOLD:
            return "held"
    return "running"


def _late(ask: Ask, *, has_engine: bool) -> tuple[str, ...]:
    return () if ask is Ask.ABORT else without_engine(has_engine)


def _move(model: str, stable: str, candidate: str, glyphs: Glyphs) -> Line:
    return Line(((f"{model}  ", "strong"), (stable, "muted"), (f" {glyphs.arrow} ", "accent"), (candidate, "strong")))
