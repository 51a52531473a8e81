"""Each message on the page of troubles is one that the program says."""

import re
import socket
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from console.cli.headless import criteria_events, plain_line
from core.alerts.delivery.checking import check_receivers
from core.alerts.routing.reading import load_routing
from core.errors import UsageError
from core.models.errors import MissingExtraError
from core.promql import EvaluationBudget, PromqlError
from core.quality.gate import judge
from core.serving.errors import ListenError
from core.serving.server import listen
from core.settings import AlertSettings, SettingsError, TrainingSettings, load_settings
from core.state import Workspace, write_health
from core.state.errors import LockHeldError
from core.state.lease import LeaseHolder, _held_by
from core.training.child_process import describe_death
from core.training.criteria import criteria
from core.training.errors import out_of_memory
from core.training.failure import failure_of
from core.training.final_fit import NothingLearnedError
from core.training.scores import EpochScore, EpochScores

PAGE = (Path(__file__).parents[2] / "docs" / "troubleshooting.md").read_text()
MESSAGES = re.findall(r"^```text\n(.*?)\n```", PAGE, re.DOTALL | re.MULTILINE)
ROOT = Path("/srv/desk")


def of_patience(_folder, _patch) -> str:
    history = EpochScores([EpochScore(0.8, 1.0), EpochScore(0.9, 1.0), EpochScore(0.9004, 1.0)])
    observed = SimpleNamespace(n_epochs=100, epoch=3, criteria=criteria(history, TrainingSettings()))
    session = SimpleNamespace(session_id="s-0001", observed=observed)
    return next(plain_line(event) for event in criteria_events(session) if event["name"] == "patience")


def of_a_gate(_folder, _patch) -> str:
    gate = judge("esg_missing", 10.0, "<=", 0.0, unit="%")
    return plain_line({"event": "draw_rejected", "epoch": 1, "reason": f"{gate.name}: {gate.sentence}"})


def of_a_port(_folder, _patch) -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError) as refused:
            listen(SimpleNamespace(has_tokens=lambda: True), "127.0.0.1", port)
    return str(refused.value).replace(str(port), "8501").partition(" (")[0]


def of_a_full_disk(_folder, patch) -> str:
    patch.setattr("os.statvfs", lambda _: SimpleNamespace(f_bavail=512, f_frsize=1024, f_files=1, f_favail=1))
    return write_health.disk_problem(ROOT) or ""


def of_a_settings_file(folder, _patch) -> str:
    (folder / "bondx.yaml").write_text("max_epoch: 3\n")
    with pytest.raises(SettingsError) as refused:
        load_settings(folder / "bondx.yaml")
    return str(refused.value).replace(f"{folder}/", "")


def of_an_engine(_folder, _patch) -> str:
    since = datetime(2026, 11, 27, 3, tzinfo=UTC)
    holder = LeaseHolder(user="ana", host="vm", pid=4711, mode="headless", acquired_at=since)
    return _held_by(holder, SimpleNamespace(root=ROOT))


def of_a_rule(_folder, _patch) -> str:
    with pytest.raises(PromqlError) as refused:
        EvaluationBudget().look_at(50_000_001, 1)
    return str(refused.value)


def of_a_receiver(folder, _patch) -> str:
    file = folder / "alertmanager.yaml"
    file.write_text("route: {receiver: desk}\nreceivers:\n- name: desk\n  slack_configs: [ {api_url: nonsense}]\n")
    file.chmod(0o600)
    with pytest.raises(UsageError) as refused:
        check_receivers(Workspace(folder), AlertSettings(), load_routing(file))
    return str(refused.value).replace(f"{folder}/", "")


SAID = {
    "a limit of memory": lambda *_: plain_line({"event": "epoch_failed", "epoch": 1, "reason": out_of_memory(300)}),
    "a killed child": lambda *_: describe_death(-9, 512 << 20),
    "patience": of_patience,
    "a gate": of_a_gate,
    "no model": lambda *_: str(NothingLearnedError(4)),
    "a port": of_a_port,
    "an extra": lambda *_: str(MissingExtraError("xgboost", "xgboost")),
    "a library": lambda *_: failure_of(OSError(MESSAGES[7].partition(". Cure")[0])).reason,
    "a lock": lambda *_: str(LockHeldError(ROOT / "state/registry.json.lock", "process 4711 (python)", 30)),
    "an engine": of_an_engine,
    "a full disk": of_a_full_disk,
    "a settings file": of_a_settings_file,
    "a rule": of_a_rule,
    "a receiver": of_a_receiver,
}


@pytest.mark.parametrize(("said", "message"), [*zip(SAID.values(), MESSAGES, strict=True)], ids=SAID)
def test_a_message_of_the_page_is_what_the_program_says(said, message, tmp_path, monkeypatch):
    assert said(tmp_path, monkeypatch) == message


def test_every_setting_that_cures_exists():
    from tools.configuration import settings

    keys = {".".join(setting.path) for setting in settings()}
    blocks = {key.rpartition(".")[0] for key in keys}
    named = {word for word in re.findall(r"`([a-z_]+\.[a-z_.]+)[`:]", PAGE) if not word.endswith((".yaml", ".md"))}
    assert named
    assert named - keys - blocks == set()
