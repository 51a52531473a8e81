"""A model of language that a session trains: from the command to the version, in steps that a kill does not change."""

import json

import msgspec
import pytest

from console.cli.main import main as command_line
from core.errors import RefusedError, UsageError
from core.registry import Registry
from core.settings import TrainingSettings
from core.settings.text_model import TextModelSettings
from core.state import Workspace
from core.text import torch_extra
from core.text.corpus import write_corpus
from core.text.gates import GATES
from core.text.model_folder import ModelFolder
from core.text.training import train_text_model
from core.tracking import Runs
from core.training.convergence import EndReason, judge_text
from core.training.criteria import text_criteria
from core.training.session import SessionPhase
from core.training.sessions import Sessions
from core.training.text_training import TextEpoch, settings_for_text, text_training
from core.training.text_work import TextSessionWork

NGRAMS = TextModelSettings(architecture="ngram", documents=200, judged_documents=20)
SMALL = TextModelSettings(
    architecture="decoder", documents=80, judged_documents=10, embedding_dim=16, hidden_dim=32, num_heads=2,
    num_layers=1, max_length=64, batch_size=8, max_steps=12, evaluation_steps=4, warmup_steps=2, learning_rate=0.01,
)  # fmt: skip
CONFIG = """
text_model: {architecture: ngram, documents: 200, judged_documents: 20}
quality_gates: {limits: {nats_above_floor: 3}}
trainer: {max_retries: 0}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A workspace in which a session has trained a model of language."""
    root = tmp_path_factory.mktemp("home") / "workspace"
    Workspace.create(root, settings_text=CONFIG)
    assert command_line(["run", "--headless", "--text", "prose", "--name", "notes", "--workspace", str(root)]) == 0
    return root


def test_a_session_trains_a_model_of_language_and_registers_it(home):
    workspace = Workspace.open(home)
    session = Sessions(workspace).get("s-0001")
    observed = session.observed
    assert observed.phase is SessionPhase.FINISHED
    assert observed.registered == ("prose/1.0.0",)
    assert (observed.epoch, observed.n_epochs) == (1, 1)
    assert [gate.name for gate in observed.gates] == list(GATES)
    assert observed.metrics["prose.loss"] == pytest.approx(
        observed.metrics["prose.floor"] + observed.metrics["prose.above_floor"]
    )
    assert len(observed.samples) == 2
    assert session.experiment == "prose"
    version = Registry(workspace).get("prose", "1.0.0")
    assert version.session_id == "s-0001"
    assert next(gate for gate in version.gates if gate.name == "nats_above_floor").threshold == 3


def test_its_run_has_the_curve_and_the_judgement(home):
    workspace = Workspace.open(home)
    version = Registry(workspace).get("prose", "1.0.0")
    run = Runs(workspace).get(version.run_id)
    assert run.session_id == "s-0001"
    assert run.parameters["documents"] == 200
    assert run.parameters["architecture"] == "ngram"
    assert run.data_hashes == {"documents": version.lineage["data"]["documents"]["sha256"]}
    assert run.metrics["nats_above_floor"] == pytest.approx(version.metrics["nats_above_floor"])
    assert run.metrics["prose.above_floor"] > 0


def test_its_files_are_those_of_a_training_by_hand(home, tmp_path):
    train_text_model(NGRAMS, tmp_path / "model")
    with Registry(Workspace.open(home)).opened("prose", "1.0.0") as files:
        assert (files / "ngrams.npz").read_bytes() == (tmp_path / "model" / "ngrams.npz").read_bytes()


def test_its_reports_name_what_was_trained(home, capsys):
    report = json.loads((home / "reports" / "s-0001" / "final_report.json").read_bytes())
    assert report["text_model"]["model"] == "prose"
    assert report["notice"].startswith("Synthetic")
    assert [gate["name"] for gate in report["gates"]] == list(GATES)
    page = (home / "reports" / "s-0001" / "final_report.md").read_text()
    assert "## Judgement" in page
    assert "5-gram (this model)" in page
    assert command_line(["session", "show", "s-0001", "--workspace", str(home)]) == 0
    shown = capsys.readouterr().out
    assert "sample 1" in shown
    assert "NATS A TOKEN" in shown
    assert command_line(["session", "show", "s-0001", "--epoch", "1", "--workspace", str(home)]) == 0
    assert "1 of 1" in capsys.readouterr().out


def test_its_rows_cannot_be_drawn_again(home, tmp_path, capsys):
    at = ["--workspace", str(home)]
    assert command_line(["data", "reproduce", "s-0001", "--out", str(tmp_path / "data"), *at]) == 2
    assert "trained a model of language" in capsys.readouterr().err
    file = home / "reports" / "s-0001" / "final_report.json"
    assert command_line(["data", "reproduce", str(file), "--out", str(tmp_path / "data"), *at]) == 2
    assert "model of language" in capsys.readouterr().err


def test_a_decoder_is_refused_where_torch_is_not_installed(home, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(torch_extra, "find_spec", lambda name: None)
    config = tmp_path / "config.yaml"
    config.write_text("text_model: {architecture: decoder}\n")
    given = ["--text", "prose", "--config", str(config), "--workspace", str(home)]
    assert command_line(["session", "start", *given]) == 2
    assert "pip install 'bondx-console[text]'" in capsys.readouterr().err
    assert len(Sessions(Workspace.open(home)).all()) == 1


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (["--text", "No Name"], "model name"),
        (["--text", "prose", "--agents", "model"], "--agents"),
        (["--text", "prose", "--domain", "bonds"], "has no grammar"),
    ],
)
def test_what_cannot_be_trained_is_refused_at_the_start(home, given, why, capsys):
    assert command_line(["session", "start", *given, "--workspace", str(home)]) == 2
    assert why in capsys.readouterr().err


@pytest.mark.parametrize("command", [["session", "start"], ["run", "--headless"]])
@pytest.mark.parametrize(
    ("named", "why"),
    [
        ("corpus", "missing, the corpus, cannot be read: No such file or directory. Name a readable file as corpus."),
        ("base", "missing, the base, is no folder: name a folder"),
        ("teacher", "missing, the teacher, is no folder: name a folder"),
    ],
)
def test_files_that_are_not_there_are_refused_at_the_start(home, command, named, why, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(torch_extra, "find_spec", lambda name: name)  # a base and a teacher need the extra
    config = tmp_path / "config.yaml"
    config.write_text(f"text_model: {{architecture: auto, {named}: {tmp_path / 'missing'}}}\n")
    before = len(Sessions(Workspace.open(home)).all())
    assert command_line([*command, "--text", "prose", "--config", str(config), "--workspace", str(home)]) == 2
    assert why in capsys.readouterr().err
    assert len(Sessions(Workspace.open(home)).all()) == before


@pytest.mark.parametrize("named", ["corpus", "teacher"])
def test_a_folder_without_the_files_of_a_model_is_refused_at_the_start(named, monkeypatch, tmp_path):
    monkeypatch.setattr(torch_extra, "find_spec", lambda name: name)
    with pytest.raises(UsageError, match="a folder, not a plain file" if named == "corpus" else "holds no model"):
        text_training("prose", TextModelSettings(**{named: str(tmp_path)}))


def test_documents_that_changed_since_the_checkpoint_end_a_session(tmp_path):
    corpus = tmp_path / "corpus.txt"
    write_corpus("etrm", 60, corpus, seed=1)
    text = text_training("prose", msgspec.structs.replace(NGRAMS, corpus=str(corpus)), n_written=2)
    folder = checkpoints(tmp_path)
    assert work_of(text, folder).run_epoch(1).record.metrics.keys() >= {"prose.loss", "prose.perplexity"}
    assert work_of(text, folder).where_it_stands().record.epoch == 1
    corpus.write_text(corpus.read_text().replace("trade", "deal"))
    with pytest.raises(RefusedError, match=r"corpus\.txt has changed since the last checkpoint"):
        work_of(text, folder)


def test_documents_of_ones_own_have_a_loss_and_no_floor(tmp_path):
    corpus = tmp_path / "corpus.txt"
    write_corpus("etrm", 60, corpus, seed=1)
    text = text_training("prose", msgspec.structs.replace(NGRAMS, corpus=str(corpus)), n_written=2)
    work = work_of(text, checkpoints(tmp_path))
    record = work.run_epoch(1).record
    assert record.score == pytest.approx(1 / (1 + record.metrics["prose.loss"]))
    assert "prose.floor" not in record.metrics
    finished = work.finish()
    assert finished.text.lineage["data"]["file"]["n_rows"] == record.n_learned_rows
    assert "nats_above_floor" not in [gate.name for gate in finished.text.gates]


@pytest.mark.parametrize(
    ("step", "n_worse", "seconds", "end"),
    [
        (10, 0, 0, None),
        (20, 1, 0, EndReason.EPOCH_LIMIT),
        (10, 3, 0, EndReason.CONVERGED),
        (10, 0, 3600, EndReason.TIME_LIMIT),
    ],
)
def test_a_training_ends_at_its_last_step_or_without_patience_or_time(step, n_worse, seconds, end):
    newest = TextEpoch(step=step, n_steps=20, n_worse=n_worse, samples=())
    settings = TrainingSettings(convergence_timeout_hours=1)
    found = judge_text(newest, TextModelSettings(patience=3), settings, trained_seconds=seconds)
    assert found.end is end


def test_patience_is_the_only_criterion_of_a_model_of_language():
    newest = TextEpoch(step=10, n_steps=20, n_worse=2, samples=())
    (patience,) = text_criteria(5, newest, TextModelSettings(patience=3))
    assert (patience.name, patience.value, patience.at_epoch) == ("patience", 2, 6)
    assert text_criteria(5, newest, TextModelSettings(patience=0)) == ()


@pytest.mark.parametrize("kind", ["new", "adapters"])
def test_a_decoder_that_was_killed_after_every_epoch_has_the_same_bytes(kind, tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    before = torch.get_num_threads()
    settings = SMALL
    if kind == "adapters":
        train_text_model(SMALL, tmp_path / "base")
        settings = msgspec.structs.replace(SMALL, base=str(tmp_path / "base"), lora_rank=2, seed=7)
    text = text_training("prose", settings, n_written=1)
    try:
        whole, killed = (checkpoints(tmp_path / name) for name in ("whole", "killed"))
        work = work_of(text, whole)
        n_epochs = work.where_it_stands().n_epochs
        assert n_epochs == 3 + (kind == "adapters")
        straight = [work.run_epoch(number).record for number in range(1, n_epochs + 1)]
        resumed = [work_of(text, killed).run_epoch(number).record for number in range(1, n_epochs + 1)]
        assert resumed == straight
        assert straight[-1].text.step == 12
        work.finish()
        work_of(text, killed).finish()
        train_text_model(text.text_model, tmp_path / "by_hand")
        weights = [(each / "final" / "prose" / "weights.safetensors").read_bytes() for each in (whole, killed)]
        assert weights[0] == weights[1]
        if kind == "new":
            assert weights[0] == (tmp_path / "by_hand" / "weights.safetensors").read_bytes()
        curve = ModelFolder(tmp_path / "by_hand").manifest().curve
        assert [point.validation_nats for point in curve] == [each.metrics["prose.loss"] for each in straight]
    finally:
        torch.set_num_threads(before)


def checkpoints(root):
    """Return the folder of the checkpoints of a session, as deep in a workspace as the engine has it."""
    folder = root / "artifacts" / ".checkpoints" / "s-0001"
    folder.mkdir(parents=True)
    return folder


def work_of(text, folder):
    return TextSessionWork(settings_for_text(TrainingSettings(trainer=ONE_THREAD), text), text, folder)


ONE_THREAD = msgspec.structs.replace(TrainingSettings().trainer, n_threads=1)


def test_a_session_whose_documents_are_gone_fails_with_its_reason(tmp_path, capsys):
    root, corpus, config = tmp_path / "workspace", tmp_path / "corpus.txt", tmp_path / "config.yaml"
    Workspace.create(root, settings_text="")
    write_corpus("etrm", 60, corpus, seed=1)
    config.write_text(f"text_model: {{architecture: ngram, corpus: {corpus}}}\n")
    given = ["--text", "prose", "--config", str(config), "--workspace", str(root)]
    assert command_line(["session", "start", *given]) == 0
    corpus.unlink()
    assert command_line(["run", "--headless", "--workspace", str(root)]) != 0
    observed = Sessions(Workspace.open(root)).get("s-0001").observed
    assert observed.phase is SessionPhase.FAILED
    assert observed.registered == ()
    assert "corpus.txt, the corpus, cannot be read: No such file or directory." in observed.failure
    assert observed.n_failed_epochs == 1, "a retry finds the same settings"
    assert "corpus.txt" in "".join(capsys.readouterr())
    logged = "".join(file.read_text() for file in (root / "logs").glob("*.log"))
    assert "corpus.txt, the corpus, cannot be read" in logged
    assert "Traceback" not in logged
