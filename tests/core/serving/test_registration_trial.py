"""Files that were made elsewhere are loaded once, in a child process, before they are registered."""

import ast
import json
import shutil
from pathlib import Path

import pytest

from bondx.mlops import MLOpsConfig, ModelRegistry
from console.cli.main import main
from core.actor import Actor, Origin
from core.errors import ExitCode
from core.governance import AuditLog
from core.registry import ArtifactRefusedError, Registry, trials
from core.registry.contents import ANSWERED, MODEL_NAME
from core.registry.trial_child import TrialFailedError, TrialOutcome
from tests.packages import installed

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)
ROOT = Path(__file__).parents[3]
OUR_OWN = {
    "core/retraining/deploying.py",
    "core/training/member_versions.py",
    "core/training/own_data/training.py",
    "core/training/registration.py",
}
"""These register what this program has trained itself, after it was measured, or a part of it that it has loaded."""
ONNX = """
class checker:
    @staticmethod
    def check_model(path):
        with open(path, "rb") as file:
            if file.read() != b"sound":
                raise ValueError(f"{path} is no ONNX model")
"""


def register(workspace, source, model="spread"):
    return Registry(workspace).register(model, source, metrics={}, lineage={}, gates=(), actor=ANA, reads=True)


@pytest.fixture
def broken(artifacts, tmp_path):
    folder = tmp_path / "broken"
    shutil.copytree(artifacts / "spread", folder)
    header = json.loads((folder / MODEL_NAME).read_text())
    (folder / MODEL_NAME).write_text(json.dumps(header | {"files": {}}))
    return folder


def test_a_model_that_answers_is_registered_on_record_and_not_tried_again(workspace, artifacts, monkeypatch):
    version = register(workspace, artifacts / "spread")
    assert version.checked == ANSWERED
    assert Registry(workspace).get("spread", "1.0.0").checked == ANSWERED
    assert AuditLog(workspace).tail(1)[0].after["checked"] == ANSWERED
    monkeypatch.setattr(trials, "try_folder", None)
    assert Registry(workspace).try_version("spread", "1.0.0") is None


def test_the_gate_says_on_how_many_rows_it_tried_the_version(workspace, artifacts, monkeypatch):
    register(workspace, artifacts / "spread")
    registry = Registry(workspace)
    registry.apply(registry.plan_promotion("spread", "1.0.0"), actor=ANA)
    monkeypatch.setattr(trials, "try_folder", None)  # also where an earlier trial is only remembered
    gate = next(gate for gate in registry.plan_promotion("spread", "1.0.0").gates if gate.name == "servable")
    assert (gate.n_samples, gate.window) == (25, "rows of its own signature, in a process of its own")
    assert gate.reason == "1.0.0 loads and answers 25 rows of its own signature"


def test_a_model_that_cannot_be_loaded_is_refused_with_the_reason_and_leaves_nothing(workspace, broken):
    with pytest.raises(
        ArtifactRefusedError, match=r"The model cannot be used: .*\. Nothing was registered\."
    ) as refused:
        register(workspace, broken)
    assert ".staging" not in str(refused.value)
    assert Registry(workspace).models() == []
    assert [path.name for path in workspace.artifacts_dir.rglob("*") if path.is_file()] == []


def test_the_command_and_python_refuse_it_too(workspace, broken, capsys):
    command = ["--workspace", str(workspace.root), "registry", "register", "spread", "--path", str(broken)]
    assert main(command) == ExitCode.USAGE
    assert "The model cannot be used" in capsys.readouterr().err
    with pytest.raises(ArtifactRefusedError, match="The model cannot be used"):
        ModelRegistry(MLOpsConfig.from_yaml(workspace=workspace.root)).register_model("spread", broken)


def test_a_command_says_what_was_checked(workspace, artifacts, tmp_path, capsys):
    (tmp_path / "model.txt").write_text("tree")
    for source, says in (
        (artifacts / "spread", f"It{ANSWERED[2:]}."),
        (tmp_path / "model.txt", "Not checked: its files"),
    ):
        assert main(["--workspace", str(workspace.root), "registry", "register", "m", "--path", str(source)]) == 0
        assert says in capsys.readouterr().out


def test_files_without_a_model_are_registered_unchecked(workspace, tmp_path, monkeypatch):
    monkeypatch.setattr(trials, "try_folder", None)
    (tmp_path / "model.txt").write_text("tree")
    assert register(workspace, tmp_path / "model.txt").checked.startswith("not checked: its files hold no model.json")


def test_a_model_json_of_another_program_is_registered_unchecked(workspace, tmp_path, monkeypatch):
    monkeypatch.setattr(trials, "try_folder", None)
    (tmp_path / "model.json").write_text('{"learner": {}, "version": [3, 0, 0]}')
    found = register(workspace, tmp_path / "model.json").checked
    assert found == "not checked: its model.json was written by another program, so this program cannot serve it"


def test_an_onnx_file_is_parsed_where_a_library_for_it_is_installed(workspace, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "model.onnx").write_bytes(b"sound")
    without, package = tmp_path / "without", tmp_path / "package"
    without.mkdir()
    package.mkdir()
    for name in ("onnx", "onnxruntime"):
        (without / f"{name}.py").write_text("raise ModuleNotFoundError(name=__name__)\n")
    with installed(without, "onnx", {}):
        assert register(workspace, source).checked == "not checked: neither onnx nor onnxruntime is installed"
    (package / "onnx.py").write_text(ONNX)
    with installed(package, "onnx", {}):
        assert register(workspace, source).checked == "its ONNX files were parsed by onnx"
        (source / "model.onnx").write_bytes(b"broken")
        with pytest.raises(ArtifactRefusedError, match=r"cannot be used: model\.onnx is no ONNX model"):
            register(workspace, source)


def test_a_model_that_kills_its_loader_is_refused_after_a_second_death(workspace, artifacts, monkeypatch):
    coming = [TrialOutcome(problem="it died", is_fatal=True)] * 2
    monkeypatch.setattr(trials, "try_folder", lambda *_, **__: coming.pop())
    monkeypatch.setattr(trials, "free_mib", lambda: 1 << 20)
    with pytest.raises(ArtifactRefusedError, match="it died"):
        register(workspace, artifacts / "spread")
    assert coming == []
    coming += [TrialOutcome(found=ANSWERED), TrialOutcome(problem="it died", is_fatal=True)]
    assert register(workspace, artifacts / "spread").checked == ANSWERED


def test_a_trial_that_cannot_take_place_refuses_nothing(workspace, artifacts, monkeypatch):
    def fail(*_, **__):
        raise TrialFailedError("no process can be started")

    monkeypatch.setattr(trials, "try_folder", fail)
    assert register(workspace, artifacts / "spread").checked.startswith("not checked: ")
    monkeypatch.setattr(trials, "try_folder", lambda *_, **__: TrialOutcome(problem="it died", is_fatal=True))
    monkeypatch.setattr(trials, "free_mib", lambda: 1)
    assert "1 MiB of memory free" in register(workspace, artifacts / "spread").checked


def test_every_door_for_files_made_elsewhere_reads_them():
    """A call that passes gates or lineage to `register` is a registration; only our own training skips the trial."""
    unread = set()
    for file in (path for tree in ("core", "console", "bondx") for path in (ROOT / tree).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "register":
                words = {word.arg for word in node.keywords}
                if {"metrics", "gates"} <= words and "reads" not in words:
                    unread.add(file.relative_to(ROOT).as_posix())
    assert unread == OUR_OWN
