"""Prompts that callers send to a server are compared with the documents, and the verdict is shown where drift is."""

import json
from datetime import timedelta

import pytest

from console.cli.main import main as command_line
from core.actor import Actor
from core.alerts import Alerts
from core.clock import utc_now
from core.engine.context import EngineContext
from core.engine.workers.monitor import Monitor
from core.serving.access import Role, Tokens
from core.settings import settings_in_force
from core.settings.current import CurrentSettings
from core.settings.text_model import TextModelSettings
from core.state import Workspace
from core.telemetry import TelemetryWriter
from core.telemetry.predictions import Cursor, PredictionReader
from core.text.training import train_text_model
from core.training.session_recorder import SessionRecorder
from core.training.trainer import Trainer
from tests.core.serving.completions.conftest import made_live
from tests.core.serving.completions.test_text_rollouts import ANA

EASY = """
quality_gates: {limits: {nats_above_floor: 3, fact_consistency: 0}}
policy: {promotion: {min_accuracy: 0}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "model"
    train_text_model(TextModelSettings(architecture="ngram", documents=300, judged_documents=60), path)
    return path


@pytest.fixture
def workspace(folder, tmp_path):
    made = Workspace.create(tmp_path / "workspace", settings_text=EASY)
    made_live(made.root, folder, "1.0.0")
    return made


@pytest.fixture
def monitor(workspace):
    actor, alerts, settings = Actor.engine(), Alerts(workspace), settings_in_force(workspace.root)
    with TelemetryWriter(workspace.telemetry_file, retention=settings.telemetry) as telemetry:
        monitor = Monitor(
            EngineContext(
                workspace=workspace,
                settings=settings,
                current=CurrentSettings(workspace.root, settings),
                telemetry=telemetry,
                alerts=alerts,
                trainer=Trainer(workspace, SessionRecorder(workspace, telemetry, alerts, actor=actor)),
                actor=actor,
                clock=utc_now,
            )
        )
        yield monitor
        monitor.end(after_failure=False)


def test_prompts_unlike_the_documents_of_many_callers_are_an_alarm(workspace, monitor, running, capsys):
    _, secret = Tokens(workspace).create("desk", Role.OPERATOR, actor=ANA)
    reader = PredictionReader(workspace.predictions_file)

    def n_measured():
        return len(reader.prompts("prose", "1.0.0", Cursor()).prompts)

    with running(workspace) as server:
        server.until(lambda: server.ask("/ready").status == 200, "the model")
        server.token = secret
        for number in range(40):
            asked = {"prompt": "Write a poem about the sea, please.", "user": f"caller {number}", "max_tokens": 1}
            assert server.ask("/v1/completions", asked).status == 200
            told = f'bondx_text_prompts_total{{model="prose",version="1.0.0"}} {number + 1}'
            server.until(lambda told=told: told in server.ask("/metrics").body.decode(), "the prompt")
        for _ in range(3):  # a caller without a key is its token
            assert server.ask("/v1/completions", {"prompt": "Risk note", "max_tokens": 1}).status == 200
        server.until(lambda: n_measured() == 43, "the others")
    logged = "".join(file.read_text() for file in workspace.logs_dir.iterdir())
    assert "writes texts: what is watched of them is measured apart" in logged
    assert not any(words in logged for words in ("no intervals", "without slices", "its drift is not watched"))
    callers = [each.prompt.caller for each in reader.prompts("prose", "1.0.0", Cursor()).prompts]
    assert (len(set(callers)), len(set(callers[40:]))) == (41, 1)

    monitor.look(utc_now())
    capsys.readouterr()
    at = ["--workspace", str(workspace.root)]
    assert command_line(["drift", "why", "prose", *at]) == 0
    why = capsys.readouterr().out
    assert "2 of 2 columns need more callers to rule it out (prompts, prompt length)" in why
    assert "performance: no outcomes come for texts" in why
    assert "no outcomes yet" not in why
    assert "wait for theirs" not in why
    assert command_line(["drift", "why", "prose", "--json", *at]) == 0
    (told, _) = json.loads(capsys.readouterr().out)["drift"]["columns"]
    assert (told["n"], told["unit"]) == (41, "caller")
    assert "not enough callers yet: 0 on the days since" in told["reason"]
    assert "41 so far today" in told["reason"]
    monitor.look(utc_now() + timedelta(days=1))
    assert command_line(["drift", "status", *at]) == 1
    assert "alarm (1)" in capsys.readouterr().out
    assert command_line(["drift", "why", "prose", *at]) == 1
    assert "of held-out documents are up to its length, by caller" in capsys.readouterr().out
    (alert,) = (each for each in Alerts(workspace).open() if each.rule == "drift_found")
    assert "prose@1.0.0: prompts: a prompt is less likely than" in alert.summary
