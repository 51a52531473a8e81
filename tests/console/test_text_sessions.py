"""A session that trains a model of language, as the console shows and starts it."""

import math

import msgspec
import pytest

from console.presentation.epochs import NO_SPEED
from console.verbs.retraining import Retrain
from core.actor import Actor, Origin
from core.alerts import Alerts
from core.settings import TrainingSettings
from core.settings.text_model import TextModelSettings
from core.telemetry import TelemetryWriter
from core.training.records import EpochRecord
from core.training.scores import EpochScores
from core.training.session_recorder import SessionRecorder
from core.training.sessions import Sessions
from core.training.text_training import TextEpoch, TextTraining
from core.training.wire import EpochDone, Prepared
from tests.console.conftest import NOW
from tests.console.picture import pictured as pictured
from tests.epoch_records import an_epoch

RETRAIN = Retrain()
FLOOR = 0.7628
N_EPOCHS = 12
MIRA = Actor("mira", "desk-4", Origin.CONSOLE)
SAMPLES = {
    1: (" check for lots 0; OIL_DESK 15000.Q1", ", 00556;\x1b[2J71"),
    6: ("As of 2025-03-26, GAS_DESK is long 2999 MWh at TTF.", "Trade T2855: sell 55 lots of GAS_TTF\x1b[2J at TTF."),
}


@pytest.fixture
def session(workspace):
    """A session of a decoder after its sixth evaluation."""
    settings = msgspec.json.decode(msgspec.json.encode(TextModelSettings(architecture="decoder")))
    text, sessions = TextTraining(model="prose", settings=settings), Sessions(workspace, clock=lambda: NOW)
    begun = sessions.start(TrainingSettings(), name="notes", actor=MIRA, text=text)
    with TelemetryWriter(workspace.telemetry_file) as telemetry:
        alerts = Alerts(workspace, clock=lambda: NOW)
        recorder = SessionRecorder(workspace, telemetry, alerts, actor=Actor.engine(), clock=lambda: NOW)
        history = EpochScores()
        running = recorder.taken_up(recorder.begin(begun), PREPARED, history)
        for number in range(1, 7):
            record = evaluation(number)
            history = history.then(record.as_score)
            checkpoint = str(recorder.files.checkpoints_of(begun) / f"epoch_{number:04d}")
            rates = {"prose.tokens_per_second": 11_000.0 + 300 * number}
            done = EpochDone(
                record=record, checkpoint=checkpoint, checkpoint_sha256="0" * 64, stage_seconds={}, rates=rates
            )
            running = recorder.epoch_done(running, done, history, [20.0] * number)
        telemetry.flush()
    return running


PREPARED = Prepared(history=(), record=None, checkpoint=None, checkpoint_sha256=None, damaged=(), n_epochs=N_EPOCHS)


def evaluation(number: int) -> EpochRecord:
    nats = FLOOR + 4 * math.exp(-number / 2)
    metrics = {"loss": nats, "training_loss": nats - 0.05, "floor": FLOOR, "above_floor": nats - FLOOR}
    metrics |= {"perplexity": math.exp(nats), "attainment": 1 - (nats - FLOOR) / 0.2635}
    text = TextEpoch(step=100 * number, n_steps=1_200, n_worse=0, samples=SAMPLES.get(number, ("", "")))
    return msgspec.structs.replace(
        an_epoch(number),
        gates=(),
        score=metrics["attainment"],
        metrics={f"prose.{name}": value for name, value in metrics.items()},
        text=text,
    )


async def shown(console, session):
    await console.press("2")
    await console.until(lambda: console.screen.NAME == "training" and console.screen.main_table().rows)
    assert console.screen.main_table().move_to(session.session_id)
    await console.caught_up()
    return console.text()


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 48)])
async def test_the_loss_is_drawn_with_its_floor_beside_the_speed_and_the_samples(open_console, session, size):
    async with open_console(size) as console:
        text = await shown(console, session)
        for expected in ("loss 0.9619 nats a token", "floor 0.7628", "above it 0.1991", "12,800 tokens/s"):
            assert expected in text
        assert "epoch 6 of 12" in text
        assert "writes As of 2025-03-26" in text
        assert "\x1b" not in text
        if size[0] > 100:
            assert "Loss and floor by epoch" in text
            assert "nats a token" in text
            assert "Speed by epoch" in text
            assert "ABOVE" in text


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 48)])
async def test_it_looks_as_it_should(open_console, session, pictured, size):
    async with open_console(size, theme="bondx-dark") as console:
        await shown(console, session)
        pictured(console, "text-session")


async def test_its_row_and_its_title_name_the_model_and_not_the_domain(open_console, session):
    async with open_console((160, 48)) as console:
        await shown(console, session)
        row = next(row for row in console.screen.main_table().rows if row.key == session.session_id)
        assert row.texts[1] == "notes (prose)"
        assert f"{session.session_id} notes (prose)" in console.text()


async def test_n_grams_have_no_speed_and_the_chart_says_why(open_console, session, monkeypatch):
    async with open_console((120, 40)) as console:
        await shown(console, session)
        assert console.screen.query_one("#loss").notice != NO_SPEED
        monkeypatch.setattr("console.presentation.epochs.speed_series", lambda *_: [])
        console.screen.show(console.screen.snapshot)
        assert console.screen.query_one("#loss").notice == NO_SPEED


async def test_w_shows_what_it_wrote_after_its_first_evaluation_and_by_now(open_console, session):
    async with open_console() as console:
        await shown(console, session)
        dialog = await console.dialog("w")
        await console.until(lambda: "What it writes" in dialog.query_one("#dialog-body").text)
        lines = [" ".join(line.split()) for line in dialog.query_one("#dialog-body").text.splitlines()]
    start = lines.index("What it writes always from the same draws")
    assert lines[start + 1].startswith("epoch 1 check for lots")
    assert any(line.startswith("epoch 6 As of 2025-03-26") for line in lines[start:])
    assert not any("bondx data reproduce" in line for line in lines)
    assert "Gates of the version" in lines


async def test_a_session_without_a_text_has_its_own_charts_again(open_console, session, workspace):
    other = next(each for each in Sessions(workspace).all() if each.text is None)
    async with open_console() as console:
        await shown(console, session)
        assert console.screen.main_table().move_to(other.session_id)
        await console.caught_up()
        text = console.text()
    assert "Attainment by epoch" in text
    assert "Loss by epoch" in text
    assert "ABOVE" not in text


async def test_the_overview_draws_its_loss(open_console, session):
    async with open_console() as console:
        await console.caught_up()
        text = console.text()
    assert "above it 0.1991" in text


async def test_s_starts_the_model_of_language_of_the_settings(open_console, workspace):
    workspace.settings_file.write_text("text_model: {architecture: ngram, documents: 200}\n")
    before = len(Sessions(workspace).all())
    async with open_console() as console:
        await console.press("2")
        await console.until(lambda: console.screen.NAME == "training" and console.screen.main_table().rows)
        await console.dialog("colon", *"start", "space", *"text", "space", *"prose", "enter")
        body = console.text()
        assert "ngram" in body
        assert "200 of etrm" in body
        assert "ngram_order" in body
        assert not any(name in body for name in ("learning_rate", "patience", "max_steps"))
        console.time.pass_deafness()
        await console.press("Y")
        await console.until(lambda: len(Sessions(workspace).all()) > before, "a session")
    started = Sessions(workspace).all()[-1]
    assert started.text is not None
    assert (started.text.model, started.text.text_model.documents) == ("prose", 200)


async def test_a_model_of_language_is_not_offered_a_retraining(open_console, workspace, monkeypatch):
    async with open_console() as console:
        app = console.app
        assert RETRAIN.refused(app, "spread") is None
        assert RETRAIN.offered(app, "spread")
        monkeypatch.setattr(
            "core.registry.language_models.is_language_model", lambda version: version.model == "spread"
        )
        assert "is a model of language, which is not retrained: :start text spread" in RETRAIN.refused(app, "spread")
        assert not RETRAIN.offered(app, "spread")
