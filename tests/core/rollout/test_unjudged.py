"""What was not judged is said before the start, while it runs, and when a candidate goes live."""

import pytest

from core.governance import AuditLog
from core.losses import AnswerForm, AnswerKind
from core.rollout import Arm, Guard, GuardSource, RolloutPhase, Strategy, make_plan
from core.rollout.slices import Slice
from core.rollout.unjudged import LossOrigins, not_judged
from core.settings.policy import CanaryPolicy
from core.telemetry.predictions import OutcomeRecord, PredictionRecord, PredictionWriter, Scored
from tests.core.rollout.conftest import ANA

EVENT = AnswerForm(AnswerKind.PROBABILITIES, ("0", "1"))
ERRORS = Guard(name="errors", source=GuardSource.ERRORS, tolerated_share=0.01)
LOSS = Guard(name="loss", source=GuardSource.LOSS, margin=1.1, required=False)
NEEDED_LOSS = Guard(name="loss", source=GuardSource.LOSS, margin=1.1)
REGION = Slice(column="region", names=("missing", "EU", "US", "other"), levels=("EU", "US"))


@pytest.fixture
def outcomes_come(workspace, clock, stable):
    """Let predictions of the stable version get outcomes."""

    def come(n: int) -> None:
        with PredictionWriter(workspace.predictions_file, clock=clock) as writer:
            for number in range(n):
                answer = {"latency_ms": 0.4, "value": 0.5, "form": EVENT}
                writer.add(PredictionRecord(f"r{number}", clock.now, "spread", stable, **answer))
                writer.add_outcome(OutcomeRecord(f"r{number}", clock.now, actual=1.0))
            writer.flush()

    return come


@pytest.mark.parametrize(
    ("require_loss", "n", "required"),
    [("auto", 600, True), ("auto", 3, False), ("false", 600, False), ("true", 0, True)],
)
def test_loss_is_required_where_outcomes_normally_come(
    workspace, rollouts, candidate, outcomes_come, require_loss, n, required
) -> None:
    workspace.settings_file.write_text(f"policy: {{canary: {{require_loss: {require_loss}}}}}\n")
    outcomes_come(n)
    proposal = rollouts.plan("spread", candidate)
    assert proposal.plan.loss_guard.required is required
    told = " ".join(proposal.effects)
    assert ("Not judged" in told and "loss (unless outcomes come" in told) is (n < 20 and not required)


def test_the_plan_names_the_loss_and_the_limit_in_absolute_terms(rollouts, candidate, outcomes_come) -> None:
    outcomes_come(600)
    told = " ".join(rollouts.plan("spread", candidate).effects)
    assert "slow (slower than 5 ms: the larger of 1.5 times stable's p99 0.4 ms and the floor 5 ms)" in told
    assert "loss (log loss, probabilities clipped at 1e-06)" in told
    assert "Not judged" not in told


@pytest.mark.parametrize(
    ("policy", "answers", "says"),
    [
        ({}, EVENT, "log loss"),
        ({"loss": "brier"}, EVENT, "Brier score"),
        ({"loss": "squared"}, EVENT, "log loss"),
        ({"loss": "brier"}, AnswerForm(AnswerKind.NUMBER), "absolute error"),
        ({"loss": "quantile", "loss_quantile": 0.9}, AnswerForm(AnswerKind.NUMBER), "quantile loss at 0.9"),
        ({}, AnswerForm(AnswerKind.SCORE), "loss reported by the caller"),
        ({}, AnswerForm(AnswerKind.CLASS), "share of wrong classes"),
        ({}, None, "log loss, absolute error or wrong classes, by the kind of answer"),
    ],
)
def test_the_loss_is_the_policy_s_where_it_fits_the_answers(policy, answers, says) -> None:
    plan = make_plan(Strategy.CANARY, CanaryPolicy(**policy), answers=answers)
    assert plan.loss.describe().startswith(says)
    assert says in plan.describe_guard(plan.loss_guard)


def test_a_switch_judges_no_loss_and_a_plan_without_a_limit_no_latency() -> None:
    assert [found.what for found in not_judged(make_plan(Strategy.BLUE_GREEN))] == ["loss", "latency"]
    assert not_judged(make_plan(Strategy.CANARY, stable_p99_ms=4.0)) == ()


def test_a_candidate_goes_live_with_what_it_was_not_judged_by(
    workspace, start, traffic, worker, clock, rollouts
) -> None:
    rollout_id = start(guards=(ERRORS, LOSS)).rollout_id
    worker.tick(clock.now)
    ended = traffic.flow(rollout_id, ticks=60)
    assert ended.observed.phase is RolloutPhase.PROMOTED
    assert "not judged: latency (" in ended.observed.events[-1].reason
    assert "loss (no outcomes came)" in ended.observed.events[-1].reason
    (record,) = [record for record in AuditLog(workspace).tail(9) if record.verb == "rollout.promote"]
    assert "loss (no outcomes came)" in record.after["not_judged"]
    from console.presentation.rollout_progress import summary_lines
    from widgets.glyphs import UNICODE

    told = "\n".join(line.text for line in summary_lines(ended, clock.now, UNICODE, absence=None))
    assert "Not judged: latency (" in told
    assert "loss (no outcomes came)" in told


def test_losses_of_callers_and_computed_losses_are_counted_apart(start, worker, source, clock, rollouts) -> None:
    rollout_id = start(guards=(ERRORS, LOSS)).rollout_id
    worker.tick(clock.now)
    source.scored += [Scored(Arm.STABLE, 0.05, 0.5, None), Scored(Arm.CANDIDATE, 0.05, 0.5, None, is_reported=True)]
    worker.tick(clock.pass_by(10))
    worker.tick(clock.pass_by(10))
    found = rollouts.get(rollout_id).observed.losses
    assert found == LossOrigins(n_computed=1, n_reported=1)
    assert found.note == "mixed: 1 of 2 losses were computed by callers"


def test_a_forced_promotion_names_all_that_is_open(workspace, rollouts, start, worker, source, clock, ana) -> None:
    """Too few losses, outcomes that arrive for one arm alone, and a slice that no request carried."""
    rollout_id = start(Strategy.CANARY, guards=(ERRORS, NEEDED_LOSS), slices=(REGION,)).rollout_id
    worker.tick(clock.now)
    for arm, n, n_losses in ((Arm.STABLE, 9_500, 9_000), (Arm.CANDIDATE, 500, 36)):
        source.serve(arm, n, share=0.05)
        source.score(arm, *(1.0 + number % 7 for number in range(n_losses)), share=0.05)
    worker.tick(clock.pass_by(10))
    worker.tick(clock.pass_by(10))
    before = rollouts.get(rollout_id)
    whats = {"errors", "loss", "arrivals", "latency", "errors by region", "loss by region"}
    assert {found.what for found in before.not_judged} >= whats - {"errors"}
    told = "\n".join(line.text for line in _dialog(workspace, before))
    assert "arrivals: outcomes arrived for 7.2% of the candidate's answers" in told
    assert "loss by region: no outcomes with a value of it for both versions" in told

    rollouts.promote_now(rollout_id, actor=ana)
    worker.tick(clock.pass_by(1))
    ended = rollouts.get(rollout_id)
    assert ended.observed.phase is RolloutPhase.PROMOTED
    (record,) = [record for record in AuditLog(workspace).tail(9) if record.verb == "rollout.promote"]
    from console.commands.rollout import summary

    faces = {
        "event": ended.observed.events[-1].reason,
        "observed": ", ".join(map(str, ended.observed.not_judged)),
        "audit": ", ".join(record.after["not_judged"]),
        "command line": ", ".join(summary(ended)["not_judged"]),
    }
    for face, text in faces.items():
        assert "loss (cannot be compared: arrivals: outcomes arrived for 7.2%" in text, face
        assert "arrivals (outcomes arrived for 7.2%" in text, face
        assert "loss by region (no outcomes with a value of it for both versions)" in text, face


def test_a_forced_promotion_names_a_required_loss_with_too_few_values(
    workspace, rollouts, start, worker, source, clock, ana
) -> None:
    rollout_id = start(guards=(ERRORS, NEEDED_LOSS)).rollout_id
    worker.tick(clock.now)
    for arm, n in ((Arm.STABLE, 684), (Arm.CANDIDATE, 36)):
        source.serve(arm, n, share=0.05)
        source.score(arm, *(1.0 + number % 7 for number in range(n)), share=0.05)
    worker.tick(clock.pass_by(10))
    rollouts.promote_now(rollout_id, actor=ana)
    worker.tick(clock.pass_by(10))
    ended = rollouts.get(rollout_id)
    assert ended.observed.phase is RolloutPhase.PROMOTED
    assert "too few values to judge: 36 of 50 needed in each arm" in ended.observed.events[-1].reason
    assert [found.what for found in ended.not_judged] == ["latency", "errors", "loss"]


def test_a_finished_experiment_names_what_it_has_not_shown(workspace, rollouts, start, worker, source, clock) -> None:
    """The loss decides; nothing shows yet that errors are within their margin."""
    rollout_id = start(Strategy.AB, guards=(ERRORS, NEEDED_LOSS), primary="loss").rollout_id
    worker.tick(clock.now)
    for arm, loss in ((Arm.STABLE, 2.0), (Arm.CANDIDATE, 1.0)):
        source.serve(arm, 600, share=0.5, n_failed=4)
        source.score(arm, *(loss + number % 5 / 10 for number in range(600)), share=0.5)
    worker.tick(clock.pass_by(100))
    ended = rollouts.get(rollout_id)
    assert ended.observed.phase is RolloutPhase.FINISHED
    assert [found.what for found in ended.not_judged] == ["latency", "errors"]
    assert "; not judged: latency (" in ended.observed.events[-1].reason
    assert "errors (4 of 600 against 4 of 600, not yet shown to be" in ended.observed.events[-1].reason
    (record,) = [record for record in AuditLog(workspace).tail(9) if record.verb == "rollout.finish"]
    assert len(record.after["not_judged"]) == 2


def _dialog(workspace, rollout):
    from console.verbs.offer import OfferContext
    from console.verbs.rollout import GO_LIVE
    from widgets.glyphs import UNICODE

    context = OfferContext(workspace=workspace, actor=ANA, glyphs=UNICODE, absence=None)
    return GO_LIVE.offer(context, rollout).lines
