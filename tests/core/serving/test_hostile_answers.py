"""Models of plug-ins that exit, raise what only a program may raise, or answer nonsense: the server lives on."""

import json
import os
import re
import threading

import pytest

from core.actor import Actor, Origin
from core.installed_packages import installed_packages
from core.registry import Registry
from core.registry.trial_child import end_trials
from core.settings import TrainingSettings
from core.settings.promotion import PromotionSettings
from core.training import lane
from core.training.failure import failure_of
from core.training.sessions import Sessions
from tests.core.serving.in_process import serving
from tests.core.serving.test_stopping import post
from tests.packages import installed

HOSTILE_MODEL = '''
import concurrent.futures
import json
import os
import sys

import numpy as np

from core.models.interface import Model
from core.models.persistence.archive import read_model, write_model


class Unheard(BaseException):
    pass


def misbehave(fault, n):
    if fault == "exits":
        sys.exit(0)
    if fault == "kills":
        os._exit(0)
    if fault == "interrupts":
        raise KeyboardInterrupt
    if fault == "unheard":
        raise Unheard("of")
    if fault == "stops":
        raise StopIteration
    if fault == "cancels":
        raise concurrent.futures.CancelledError
    if fault == "late":
        raise TimeoutError
    if fault == "not finite":
        return np.full(n, np.nan)
    if fault == "short":
        return np.zeros(n + 1)
    if fault == "wide":
        return np.zeros((n, 2, 2))
    if fault == "huge":
        return np.broadcast_to(np.zeros(1), (n, 1 << 33))
    if fault == "scalar":
        return np.float64(1.0)
    if fault == "text":
        return ["a"] * n
    if fault == "prints":
        print("noise")
        os.write(1, b"more noise\\n")
    return np.zeros(n)


class HostileModel(Model):
    """Answers, but for the rows that name a fault; fails at its load if its file says so."""

    name = "hostile"
    task = "regression"
    label = "loss"
    algorithms = ("auto",)

    def __init__(self, algorithm="auto", parameters=None, fault=""):
        super().__init__(algorithm, parameters)
        self.fault = fault

    def update(self, panel, *, seed):
        self.n_updates += 1

    def predict(self, frame):
        return misbehave(next((name for name in frame.columns if name != "amount"), ""), len(frame))

    def evaluate(self, panel):
        return {"loss": 0.0}

    def feature_importance(self):
        return {}

    def report(self):
        return {}

    def save(self, folder):
        return write_model(folder, {"model": self.name, "fault": self.fault}, {})

    @classmethod
    def load(cls, folder):
        fault = read_model(folder)[0]["fault"]
        misbehave(fault, 1)
        return cls(fault=fault)
'''
ANA = Actor("ana", "desk", Origin.COMMAND_LINE)
ANSWERS = [
    *("exits", "interrupts", "unheard", "stops", "cancels", "late"),
    *("not finite", "short", "wide", "huge", "scalar", "text"),
]


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    (folder / "hostile_model.py").write_text(HOSTILE_MODEL)
    with installed(folder, "hostile", {"bondx.models": {"hostile": "hostile_model:HostileModel"}}):
        yield


def test_a_server_outlives_a_model_that_answers_nonsense_or_ends_programs(package, workspace, put_live, tmp_path):
    from hostile_model import HostileModel

    HostileModel().save(tmp_path / "hostile")
    put_live(workspace, "hostile", tmp_path / "hostile")
    with serving(workspace) as (server, _, _):
        port = int(server.url.rpartition(":")[2])

        def ask(*faults):
            connection = post(port, "hostile", {"amount": 1.0, **dict.fromkeys(faults, 1.0)})
            answer = connection.getresponse()
            content = json.loads(answer.read())
            connection.close()
            return answer.status, content

        assert ask()[0] == 200
        for fault in ANSWERS:
            status, content = ask(fault)
            assert status == (400 if fault == "text" else 500), (fault, content)
        assert ask("prints")[0] == 200
        assert ask()[0] == 200
        assert server.table.is_ready
        assert server.table.models["hostile"].default.stats.n_errors == len(ANSWERS) - 1


@pytest.mark.parametrize(
    ("fault", "says", "is_quarantined"),
    [
        ("exits", r"it ends its process by SystemExit\(0\)", False),
        ("unheard", r"it ends its process by Unheard\('of'\)", False),
        ("interrupts", r"it ends its process by KeyboardInterrupt", False),
        ("kills", r"loading it killed the process \(exit code 0\)", True),
    ],
)
def test_a_model_that_exits_at_its_load_fails_its_trial(
    package, workspace, register, tmp_path, fault, says, is_quarantined
):
    from hostile_model import HostileModel

    HostileModel(fault=fault).save(tmp_path / "hostile")
    version = register(workspace, "hostile", tmp_path / "hostile").version
    registry = Registry(workspace, promotion=PromotionSettings(min_accuracy=0.0))
    assert re.search(says, registry.try_version("hostile", version) or "")
    assert bool(registry.quarantined()) is is_quarantined


def test_an_exit_in_the_code_of_a_plugin_is_its_fault_and_no_death_of_the_child(package, monkeypatch):
    import hostile_model

    monkeypatch.setattr("core.domains.catalogue.plugin_packages", lambda: {"hostile_model": "the model 'hostile'"})
    try:
        hostile_model.misbehave("exits", 1)
    except SystemExit as error:
        failed = failure_of(error)
    assert failed.kind == "refused"
    assert failed.reason.startswith("the model 'hostile' (hostile_model, misbehave, line ")
    assert "is at fault: SystemExit: 0. Cure: correct the package" in failed.reason


def test_a_package_that_is_installed_later_is_known_to_the_next_trial(workspace, artifacts, register, tmp_path):
    """The child that tries versions lives long, and is started again."""
    registry = Registry(workspace)
    assert registry.try_version("spread", register(workspace, "spread", artifacts / "spread").version) is None
    folder = tmp_path / "later"
    folder.mkdir()
    (folder / "later_model.py").write_text(HOSTILE_MODEL.replace('"hostile"', '"later"'))
    before = installed_packages()
    with installed(folder, "later", {"bondx.models": {"later": "later_model:HostileModel"}}):
        assert installed_packages() - before == {os.path.join(folder, "later-1.0.dist-info")}
        from later_model import HostileModel

        HostileModel().save(tmp_path / "saved")
        assert registry.try_version("later", register(workspace, "later", tmp_path / "saved").version) is None
    end_trials()


def test_the_training_child_is_started_again_where_packages_were_installed(workspace, monkeypatch):
    packages, stopped = frozenset({"a"}), []
    monkeypatch.setattr(lane, "installed_packages", lambda: packages)
    monkeypatch.setattr(lane.SessionRunner, "run", lambda _: None)
    ours, halt = lane.Lane(None, wake=threading.Event()), threading.Event()
    monkeypatch.setattr(ours, "stop_child", lambda: stopped.append(packages))
    session = Sessions(workspace).start(TrainingSettings(max_epochs=1), name="", actor=ANA)
    ours.drive(session, halt=halt)
    packages = frozenset({"a", "b"})
    ours.drive(session, halt=halt)
    ours.drive(session, halt=halt)
    assert stopped == [frozenset({"a", "b"})]
