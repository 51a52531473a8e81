"""A trained model of language as a version: gates, run, the moves of any version, and refusals of what needs rows."""

import argparse
import json
import shutil
from pathlib import Path

import msgspec
import pytest

from bondx.ml.model_fine_tuning import register, write
from console.cli.main import build_parser
from console.cli.main import main as command_line
from console.mlops.cli import main as mlops
from core.actor import Actor, Origin
from core.api.config import MLOpsConfig
from core.errors import CoreError, RefusedError, UsageError
from core.models.errors import AnswersNoRowsError, ArtifactError
from core.registry import Registry, Stage
from core.registry.errors import WrongKindError
from core.registry.language_models import is_language_model
from core.settings import Settings
from core.settings.text_model import TextModelSettings
from core.state import Workspace
from core.text.gates import GATES, text_gates, text_metrics
from core.text.model_folder import ModelFolder
from core.text.training import judge_folder, train_text_model
from core.text.version import open_text_version
from core.tracking import Runs
from core.training.own_data import TrainRequest, train_on_file
from core.training.text_models import register_text_model

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)
NGRAMS = TextModelSettings(architecture="ngram", documents=400, judged_documents=60)
EASY = """
quality_gates: {limits: {nats_above_floor: 3, fact_consistency: 0}}
policy: {promotion: {min_accuracy: 0}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "model"
    train_text_model(NGRAMS, path)
    return path


@pytest.fixture(scope="module")
def home(folder, tmp_path_factory):
    """A workspace whose live version is a model of language."""
    root = tmp_path_factory.mktemp("home") / "workspace"
    Workspace.create(root, settings_text=EASY)
    at = ["--workspace", str(root)]
    assert command_line(["text", "register", str(folder), "--model", "prose", "--written", "20", *at]) == 0
    assert command_line(["registry", "promote", "prose", "1.0.0", "--stage", "Production", "--yes", *at]) == 0
    return root


def test_a_folder_becomes_a_version_with_its_gates_and_its_run(home, folder, capsys):
    workspace = Workspace.open(home)
    version = Registry(workspace).get("prose", "1.0.0")
    assert version.stage is Stage.PRODUCTION
    assert version.checked == "it was loaded and wrote a text"
    assert is_language_model(version)
    report = judge_folder(folder, n_written=20)
    assert version.metrics == pytest.approx(text_metrics(report))
    assert [gate.name for gate in version.gates] == list(GATES)
    run = Runs(workspace).get(version.run_id)
    assert run.parameters["documents"] == 400
    assert run.data_hashes == {"documents": ModelFolder(folder).manifest().corpus_sha256}
    assert run.metrics["validation_nats_above_floor"] == pytest.approx(
        ModelFolder(folder).manifest().curve[0].validation_nats - ModelFolder(folder).manifest().floor_nats
    )
    assert command_line(["registry", "list", "--workspace", str(home)]) == 0
    assert "prose  1.0.0" in capsys.readouterr().out
    with Registry(workspace).opened("prose", "1.0.0") as files:
        opened = open_text_version(files)
        signature = json.loads((files / "signature.json").read_bytes())
    assert opened.manifest.weights_sha256 == ModelFolder(folder).manifest().weights_sha256
    assert signature["inputs"][0]["name"] == "prompt"


def test_a_version_that_fails_its_gates_is_not_promoted(folder, workspace):
    config = MLOpsConfig.from_yaml(workspace=workspace.root)
    version = register(folder, "prose", config=config, n_written=20)
    assert {gate.name for gate in version.gates if gate.blocks} == {"nats_above_floor", "fact_consistency"}
    plans = Registry(workspace).plan_promotions("prose", "1.0.0", Stage.PRODUCTION, actor=ANA)
    assert "the model failed nats_above_floor, fact_consistency" in plans[-1].refusal
    with pytest.raises(RefusedError):
        Registry(workspace).apply_all(plans, actor=ANA)


def test_an_unfinished_or_changed_folder_is_refused(folder, workspace, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in folder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    (copy / "ngrams.npz").write_bytes(b"changed")
    with pytest.raises(RefusedError, match="not the file that training wrote"):
        register_text_model(workspace, copy, "prose", Settings(), actor=ANA)
    assert not Runs(workspace).all()


def test_a_model_of_rows_and_one_of_language_share_no_name(home, folder, tmp_path, capsys, monkeypatch):
    at = ["--workspace", str(shutil.copytree(home, tmp_path / "w"))]
    workspace = Workspace.open(Path(at[1]))
    (rows := tmp_path / "model.txt").write_text("a tree")
    Registry(workspace).register("spread", rows, metrics={}, lineage={}, gates=(), actor=ANA)
    monkeypatch.setattr("core.training.text_models.judge_trained", lambda *_, **__: pytest.fail("it was judged first"))
    for command in (
        ["text", "register", str(folder), "--model", "spread"],
        ["session", "start", "--text", "spread"],
        ["run", "--headless", "--text", "spread"],
    ):
        capsys.readouterr()
        assert command_line([*command, *at]) == 2
        assert "The versions of spread answer rows: choose another name for the mod" in capsys.readouterr().err
    assert command_line(["registry", "register", "prose", "--path", str(rows), *at]) == 2
    assert "The versions of prose write texts: choose another name for the mod" in capsys.readouterr().err
    with pytest.raises(WrongKindError, match="prose write texts"):  # before the file is read
        train_on_file(workspace, TrainRequest("prose", tmp_path / "none.csv", target="y"), Settings(), actor=ANA)


def test_a_model_of_own_documents_has_no_gate_on_facts(tmp_path, workspace):
    corpus = tmp_path / "own.txt"
    corpus.write_text("\n".join(f"the lot {number} is sold at {number % 7} to the desk" for number in range(200)))
    settings = msgspec.structs.replace(NGRAMS, corpus=str(corpus))
    train_text_model(settings, tmp_path / "own")
    version = register_text_model(workspace, tmp_path / "own", "own", Settings(), actor=ANA, n_written=5).version
    names = {gate.name for gate in version.gates}
    assert not names & {"nats_above_floor", "fact_consistency", "held_out_nats_above_floor"}
    assert "nats_below_bigram" in names
    assert "attainment" not in version.metrics
    assert 0 < version.metrics["accuracy"] <= 1
    assert str(tmp_path) not in json.dumps(version.lineage)
    assert str(tmp_path) not in json.dumps(Runs(workspace).get(version.run_id).parameters)


def test_without_written_documents_the_gate_on_facts_fails(folder):
    gates = {gate.name: gate for gate in text_gates(judge_folder(folder, n_written=0), {})}
    assert gates["fact_consistency"].blocks
    assert gates["fact_consistency"].value is None


def test_a_limit_of_the_settings_replaces_that_of_the_gate(folder):
    report = judge_folder(folder, n_written=0)
    (strict, *_), (loose, *_) = (text_gates(report, {"nats_above_floor": limit}) for limit in (0.1, 3.0))
    assert (strict.blocks, loose.passed) == (True, True)


ROWS = ["--data", "{rows}"]
NEEDS_ROWS = {
    "explain": ["prose@1.0.0"],
    "data classify": ["--model", "prose"],
    "drift check": ["prose", *ROWS],
    "drift profile": ["prose"],
    "performance estimate": ["prose", *ROWS],
    "labels wanted": ["prose"],
    "labels judge": ["prose"],
    "stress run": ["--model", "prose@1.0.0"],
    "registry member": ["prose", "1.0.0", "linear"],
    "registry export": ["prose", "1.0.0", "--format", "onnx", "--out", "{rows}.onnx"],
    "retrain now": ["prose"],
    "retrain plan": ["prose"],
}
LIKE_ANY = {
    "registry list", "registry show", "registry diff", "registry promote", "registry rollback", "registry undo",
    "registry archive", "registry verify", "registry register", "registry prune", "registry lineage", "registry bom",
    "registry provenance", "registry signature",
    "registry alias", "registry approve", "registry release", "registry tag", "registry policy",
    "evidence build version", "evidence build model", "text register", "text draft", "rollout start",
}  # fmt: skip
OF_NO_VERSION = {
    "run", "session start", "session trials", "runs import-mlflow", "rollout show", "rollout status", "rollout hold",
    "rollout resume", "rollout advance", "rollout promote", "rollout abort", "retrain show", "retrain leaderboard",
    "retrain hold", "retrain resume", "retrain cancel", "retrain approve", "policy rehearse", "drift status",
    "drift why", "drift history", "telemetry traffic", "telemetry export", "performance show", "access check",
    "access grant", "restore", "data anonymise", "view save",
}  # fmt: skip


def takes_a_model(parser: argparse.ArgumentParser, *above: str) -> set[str]:
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if below:
        return {name for word, inner in below[0].choices.items() for name in takes_a_model(inner, *above, word)}
    spelled = {str(action.metavar) for action in parser._actions}
    named = {action.metavar for action in parser._actions if "--model" in action.option_strings}
    return {" ".join(above)} if named or any("MODEL" in word for word in spelled) else set()


def test_every_command_that_takes_a_model_is_looked_at():
    assert takes_a_model(build_parser()) == {*NEEDS_ROWS, *LIKE_ANY, *OF_NO_VERSION}


@pytest.mark.parametrize("command", NEEDS_ROWS)
def test_a_command_that_needs_rows_refuses_in_a_sentence(command, home, tmp_path, capsys):
    at, rows = ["--workspace", str(home)], tmp_path / "rows.csv"
    rows.write_text("size,target\n1,2\n2,3\n")
    arguments = [argument.format(rows=rows) for argument in NEEDS_ROWS[command]]
    capsys.readouterr()
    assert command_line([*command.split(), *arguments, *at]) in (2, 3)
    _, err = capsys.readouterr()
    assert "is a model of language, which writes texts and answers no rows" in err
    assert "Traceback" not in err


def test_evaluation_by_rows_is_refused(home, tmp_path, capsys):
    rows = tmp_path / "rows.csv"
    rows.write_text("size,target\n1,2\n2,3\n")
    command = ["evaluate", "--model", "prose", "--test-data", str(rows), "--workspace", str(home)]
    assert mlops(command) == 2
    assert "is a model of language" in capsys.readouterr().err


def test_whoever_opens_it_for_rows_learns_its_name(home):
    from core.domains.catalogue import load_model

    registry = Registry(Workspace.open(home))
    with (
        pytest.raises(AnswersNoRowsError, match=r"^prose 1\.0\.0 is a model"),
        registry.opened("prose", "1.0.0") as files,
    ):
        load_model(files)


@pytest.mark.parametrize("damage", ["text.json", "tokenizer.json", "ngrams.npz", "model.json"])
def test_a_damaged_version_is_refused(home, tmp_path, damage):
    with Registry(Workspace.open(home)).opened("prose", "1.0.0") as files:
        for file in files.iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / damage).write_bytes(b"{}")
    with pytest.raises(ArtifactError):
        open_text_version(tmp_path)


def test_a_prompt_that_is_too_long_is_refused_in_python(home):
    with pytest.raises(UsageError, match=r"The prompt has 8,001 characters; give at most 8,000\."):
        write("prose", "x" * 8_001, config=MLOpsConfig.from_yaml(workspace=home))


def test_a_header_that_lists_too_little_is_no_model_of_language(tmp_path):
    from core.models.persistence.archive import KIND, TEXT, write_model

    write_model(tmp_path, {KIND: TEXT}, {"text.json": b"{}"})
    with pytest.raises(CoreError, match="no model of language that can be read"):
        open_text_version(tmp_path)


def test_adapters_become_part_of_the_weights(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    from core.text.version import write_text_version

    small = msgspec.structs.replace(
        NGRAMS, architecture="decoder", documents=60, judged_documents=10, embedding_dim=8, hidden_dim=8, num_heads=2,
        num_layers=1, max_length=32, batch_size=8, max_steps=2, evaluation_steps=1, warmup_steps=0,
    )  # fmt: skip
    train_text_model(small, tmp_path / "base")
    tuned = msgspec.structs.replace(small, architecture="auto", base=str(tmp_path / "base"), lora_rank=2, seed=7)
    train_text_model(tuned, tmp_path / "tuned")
    assert ModelFolder(tmp_path / "tuned").speeds().keys() == {0, 1, 2}
    for name in ("base", "tuned"):
        trained = ModelFolder(tmp_path / name).load()
        write_text_version(trained, tmp_path / f"{name} version")
        again = open_text_version(tmp_path / f"{name} version")
        documents = [[5, 90, 33], []]
        assert again.model.document_nats(documents) == pytest.approx(trained.model.document_nats(documents))
        assert again.manifest.settings.base in ("", "base")
    (tmp_path / "base" / "weights.safetensors").unlink()
    open_text_version(tmp_path / "tuned version")


def test_a_share_below_chance_is_told_as_nothing(folder):
    report = judge_folder(folder, n_written=2)
    writing = msgspec.structs.replace(report.writing, copied_share=0.0, copied_by_chance=8.056e-8)
    gates = text_gates(msgspec.structs.replace(report, writing=writing), {})
    gate = next(each for each in gates if each.name == "copied_above_chance")
    assert gate.sentence.startswith("0% ")
