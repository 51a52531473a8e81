"""The trials of a search of parameters on the screen: the table, the loss over a parameter, the end of the search."""

from pathlib import Path

import pytest

from console.cli.headless import SessionFeed, plain_line
from console.dialogs.trials import TrialsDialog
from console.presentation import sessions
from console.presentation import trials as drawn
from core.actor import Actor, Origin
from core.models.tuning.trial import Trial, TrialState
from core.settings import ModelSettings, TrainingSettings
from core.settings.training import AdvancedSettings
from core.training.session import SessionPhase
from core.training.session_files import SessionFiles
from core.training.sessions import Sessions
from core.training.tuning.records import TuningProgress, TuningStanding
from core.training.tuning.trial_files import TrialFiles
from core.view.snapshot import Snapshot
from widgets.glyphs import ASCII, UNICODE

ADA = Actor("ada", "desk", Origin.CONSOLE)


def a_trial(number, loss, *, folds=3, **parameters):
    state = TrialState.COMPLETE if folds == 3 else TrialState.PRUNED
    return Trial(number=number, parameters=parameters, state=state, losses=(loss,) * folds, curve=(loss,) * folds)


TRIALS = (
    a_trial(0, 0.50),
    a_trial(1, 0.42, rate=0.01, leaves=8),
    a_trial(2, 0.47, rate=0.10, leaves=16),
    a_trial(3, 0.90, folds=1, rate=1.0, leaves=64),
    Trial(number=4, parameters={"rate": 0.02, "leaves": 1}, state=TrialState.FAILED, why="one leaf is no tree"),
)


@pytest.fixture
def session(workspace):
    """A session in the middle of its search."""
    settings = TrainingSettings(
        models={name: ModelSettings(algorithm="lightgbm") for name in ("spread", "downgrade")},
        advanced=AdvancedSettings(enable_hyperparameter_tuning=True),
    )
    sessions = Sessions(workspace)
    started = sessions.start(settings, name="tuned", actor=ADA)
    files = TrialFiles(SessionFiles(workspace).checkpoints_of(started))
    for trial in TRIALS:
        files.keep("spread", trial)
    files.keep("downgrade", TRIALS[0])
    standings = (
        TuningStanding(
            model="spread", n_trials=5, n_planned=31, n_pruned=1, given_loss=0.5, best_trial=1, best_loss=0.42
        ),
        TuningStanding(model="downgrade", n_trials=1, n_planned=31, given_loss=0.5, best_trial=0, best_loss=0.5),
    )
    tuning = TuningProgress(standings=standings)
    return sessions.observe(
        started.session_id, "session.tuning", actor=Actor.engine(), phase=SessionPhase.RUNNING, tuning=tuning
    )


async def on_the_session(console, session):
    await console.press("2")
    await console.until(lambda: console.screen.NAME == "training" and console.screen.main_table().rows, "the sessions")
    assert console.screen.main_table().move_to(session.session_id)
    await console.settled()


async def shown(console, key="t"):
    dialog = await console.dialog(key)
    assert isinstance(dialog, TrialsDialog)
    await console.until(lambda: dialog.query_one("#trials").rows, "the trials")
    await console.settled()
    return dialog


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 48)])
async def test_t_shows_the_trials_the_best_first_and_the_loss_over_a_parameter(open_console, session, size):
    async with open_console(size) as console:
        await on_the_session(console, session)
        dialog = await shown(console)

        assert [row.key for row in dialog.query_one("#trials").rows] == ["1", "2", "0", "3", "4"]
        text = console.text()
        assert f"Trials of {session.session_id}: spread (1 of 2)" in text
        assert "5 of 31 trials, 1 pruned; best loss 0.42, settings 0.5" in text
        assert "1 ✓" in text
        assert "by leaves" in text
        await console.press("l")
        assert "by rate" in console.text()
        await console.press("m")
        assert "downgrade (2 of 2)" in console.text()
        assert "No parameter differs between trials yet." in console.text()
        await console.press("m", "h")
        assert "by rate" in console.text()


async def test_new_trials_appear_while_the_dialog_is_open(open_console, session, workspace):
    async with open_console() as console:
        await on_the_session(console, session)
        dialog = await shown(console)
        files = TrialFiles(SessionFiles(workspace).checkpoints_of(session))
        files.keep("spread", a_trial(5, 0.40, rate=0.03, leaves=5))

        await console.until(lambda: len(dialog.query_one("#trials").rows) == 6, "the new trial")

        assert dialog.query_one("#trials").rows[0].key == "5"


async def test_the_header_counts_the_trials_of_the_table_also_before_their_batch_is_recorded(
    open_console, session, workspace
):
    TrialFiles(SessionFiles(workspace).checkpoints_of(session)).keep("spread", a_trial(5, 0.40, rate=0.03, leaves=8))
    async with open_console((120, 40)) as console:
        await on_the_session(console, session)
        dialog = await shown(console)
        state = dialog.query_one("#trial-state").text
        assert "6 of 31 trials, 1 pruned; best loss 0.4, settings 0.5" in state
        assert f"5 {UNICODE.passed}" in [row.texts[0] for row in dialog.query_one("#trials").rows]


async def test_a_session_without_a_search_says_so(open_console, workspace):
    async with open_console() as console:
        await console.press("2")
        await console.until(lambda: console.screen.NAME == "training" and console.screen.main_table().rows)
        await console.press("t")
        assert "searches no parameters" in console.sentence


async def test_e_ends_the_search_after_a_question(open_console, session, workspace):
    async with open_console() as console:
        await on_the_session(console, session)
        dialog = await console.dialog("E")
        assert "spread: 5 of 31 trials" in console.text()
        console.time.pass_deafness()
        dialog.query_one("#confirm").press()
        await console.until(lambda: Sessions(workspace).get(session.session_id).tuning_stopped, "the end of the search")
        await console.until(lambda: console.app.snapshot.session(session.session_id).tuning_stopped, "the news")
        await console.press("E")
        assert "requested already" in console.sentence


def test_a_headless_session_tells_its_search_and_its_progress_is_that_of_the_trials(session):
    feed = SessionFeed(session.session_id, report_of=lambda *_: None, metrics_after=lambda *_: {})
    snapshot = Snapshot(taken_at=session.created_at, workspace=Path("/w"), sessions=(session,))

    lines = [plain_line(event) for event in feed.events(snapshot)]

    assert "tuning spread: 5 of 31 trials, 1 pruned; best loss 0.42, settings 0.5: " in [
        line.rstrip() + " " for line in lines
    ]
    assert not [line for line in map(plain_line, feed.events(snapshot)) if line.startswith("tuning")]
    assert sessions.progress(session)[:2] == ("trial 6 of 62", 6 / 62)


def test_the_drawing_marks_the_best_the_settings_and_the_pruned():
    lines = drawn.slice_lines(TRIALS, "rate", 1, width=60, height=12, glyphs=UNICODE)

    dots = [(text, tone) for line in lines[:-3] for text, tone in line.spans if text in "✓●○◆"]
    assert sorted(dots) == sorted([("✓", "good"), ("●", ""), ("○", "muted"), ("◆", "accent")])
    assert lines[0].text.strip().startswith("0.5")  # of the settings, which leave the rate to its default
    assert "0.01" in lines[-2].text
    assert all(line.width <= 60 for line in lines)
    assert all(line.text.isascii() for line in drawn.slice_lines(TRIALS, "rate", 1, width=60, height=12, glyphs=ASCII))


def test_pruned_trials_have_rows_of_their_own_where_their_losses_are_near():
    trials = (
        a_trial(1, 0.40, rate=0.1),
        a_trial(2, 0.44, folds=1, rate=0.2),
        a_trial(3, 0.50, folds=1, rate=0.3),
        a_trial(4, 9.0, folds=1, rate=0.4),
    )
    lines = drawn.slice_lines(trials, "rate", 1, width=60, height=12, glyphs=UNICODE)

    rows = [row for row, line in enumerate(lines[:-3]) for text, _ in line.spans if text == "○"]
    assert len(rows) == 3
    assert (rows[0], rows[1]) == (0, 0)  # the third, and the fourth, which is beyond the drawing
    assert 0 < rows[2] < 8
    assert lines[0].text.strip().startswith("0.5")
    assert lines[-4].text.strip().startswith("0.4")


def test_a_single_loss_has_one_label():
    lines = drawn.slice_lines((a_trial(1, 0.4, rate=0.1),), "rate", 1, width=60, height=12, glyphs=UNICODE)
    assert sum("0.4" in line.text for line in lines[:-3]) == 1


def test_words_are_drawn_side_by_side_and_too_little_room_is_said():
    own = [a_trial(k, 0.1 * k, kind=kind) for k, kind in enumerate(("sqrt", "log2", 0.5))]

    assert "sqrt" in drawn.slice_lines(own, "kind", 0, width=60, height=10, glyphs=UNICODE)[-2].text
    assert "too little room" in drawn.slice_lines(own, "kind", 0, width=14, height=10, glyphs=UNICODE)[0].text
    assert "Too few trials" in drawn.slice_lines([], "kind", None, width=60, height=10, glyphs=UNICODE)[0].text
