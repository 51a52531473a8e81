"""A question is asked again if what it promised is not true any more when it is answered."""

import msgspec
import pytest

from console.presentation.offer import AskAgainError
from console.verbs.offer import OfferContext
from console.verbs.rollout import ABORT, GO_LIVE, HOLD
from console.verbs.session import PAUSE, START
from core.rollout import Rollout, Rollouts
from core.state import read_lease
from core.training.session import SessionPhase
from core.training.sessions import Sessions
from core.view.snapshot import NO_ENGINE, SILENT_ENGINE
from tools.demo import OPERATOR
from widgets.glyphs import UNICODE


@pytest.fixture
def context(workspace):
    return OfferContext(workspace=workspace, actor=OPERATOR, glyphs=UNICODE, absence=None)


@pytest.fixture
def steps(workspace):
    """Let the engine change the observed half of a rollout."""

    def step(**observed) -> None:
        documents = workspace.database("registry").documents("rollouts", Rollout, "rollout_id")
        rollout = documents.get("ro-0002")
        documents.replace(
            msgspec.structs.replace(rollout, observed=msgspec.structs.replace(rollout.observed, **observed))
        )

    return step


def text(offer) -> str:
    return "\n".join(line.text for line in offer.lines)


def test_a_hold_is_asked_again_once_the_engine_has_taken_a_step(workspace, context, steps):
    offer = HOLD.offer(context, Rollouts(workspace).get("ro-0002"))
    steps(share=0.25)
    with pytest.raises(AskAgainError) as asked:
        offer.commit("")
    again = asked.value.look()
    changed = "ro-0002 is running, 25% of the traffic; it was running, 10% of the traffic. Changed by"
    assert f"{changed} {Rollouts(workspace).get('ro-0002').updated_by}." in text(again)
    assert not Rollouts(workspace).get("ro-0002").is_held
    again.commit("")
    assert Rollouts(workspace).get("ro-0002").is_held


def test_going_live_is_asked_again_at_another_share_and_an_abort_is_not(workspace, context, steps):
    rollout = Rollouts(workspace).get("ro-0002")
    live, abort = GO_LIVE.offer(context, rollout), ABORT.offer(context, rollout)
    steps(share=0.25)
    with pytest.raises(AskAgainError, match="25% of the traffic"):
        live.commit("")
    assert abort.commit("").startswith("ro-0002 is aborted: ")


def test_a_pause_is_asked_again_once_the_session_has_begun_to_train(workspace, context):
    sessions = Sessions(workspace)
    sessions.observe("s-0002", "session.queue", actor=OPERATOR, phase=SessionPhase.QUEUED)
    offer = PAUSE.offer(context, sessions.get("s-0002"))
    assert "It leaves the queue" in text(offer)
    sessions.observe("s-0002", "session.train", actor=OPERATOR, phase=SessionPhase.RUNNING)
    with pytest.raises(AskAgainError) as asked:
        offer.commit("")
    again = text(asked.value.look())
    assert "The current epoch ends first" in again
    assert f"s-0002 is running; it was queued. Changed by {OPERATOR}." in again


def test_a_start_is_asked_again_once_another_session_was_started(workspace, context):
    first, second = START.offer(context, None), START.offer(context, None)
    first.commit("")
    n_sessions = len(Sessions(workspace).all())
    with pytest.raises(AskAgainError) as asked:
        second.commit("")
    assert len(Sessions(workspace).all()) == n_sessions
    again = asked.value.look()
    assert f"{OPERATOR} started s-{n_sessions:04d}." in text(again)
    again.commit("")
    assert len(Sessions(workspace).all()) == n_sessions + 1


@pytest.mark.parametrize(
    ("absence", "told"),
    [
        (None, "The rollout ends with the next step of the engine."),
        (NO_ENGINE, "No engine is running: the rollout ends now."),
        (SILENT_ENGINE, "The engine is silent: the traffic returns now, and the rollout ends once the engine answers."),
    ],
    ids=["an engine", "no engine", "a silent engine"],
)
def test_an_abort_says_when_the_rollout_ends(workspace, context, absence, told):
    asked = OfferContext(workspace=workspace, actor=OPERATOR, glyphs=UNICODE, absence=absence)
    assert told in text(ABORT.offer(asked, Rollouts(workspace).get("ro-0002")))


def test_an_abort_with_an_engine_does_not_claim_that_the_rollout_has_ended(workspace, context, held_lease):
    assert read_lease(workspace) is not None
    done = ABORT.offer(context, Rollouts(workspace).get("ro-0002")).commit("")
    assert done.startswith("ro-0002 is being aborted, and ends once the engine answers: ")
    refused = ABORT.refusal(Rollouts(workspace).get("ro-0002"))
    assert refused == f"ro-0002 is already being aborted by {OPERATOR}; it ends once the engine answers."


@pytest.fixture
def held_lease(workspace):
    from core.state import Lease

    with Lease.acquire(workspace, OPERATOR, "headless") as held:
        yield held
