"""A model in a folder: trained once, opened by its hashes, judged and sampled; nothing else is overwritten."""

import json

import pytest

from bondx.ml.model_fine_tuning import ModelConfig, main
from console.cli.main import main as command_line
from core.errors import CoreError, NotFoundError, RefusedError, UsageError
from core.settings.text_model import TextModelSettings
from core.state import Workspace
from core.text import torch_extra, training_by_one
from core.text.data import text_data
from core.text.model_folder import ModelFolder
from core.text.prepared import architecture_of
from core.text.sampling import MAX_PROMPT_CHARACTERS
from core.text.training import judge_folder, train_text_model

NGRAMS = TextModelSettings(architecture="ngram", documents=400, judged_documents=60, ngram_order=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "model"
    train_text_model(NGRAMS, path)
    return path


def test_training_judging_and_sampling_by_commands(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("BONDX_HOME", str(tmp_path / "nowhere"))
    config, out = tmp_path / "text.yaml", str(tmp_path / "model")
    config.write_text("text_model: {architecture: ngram, documents: 300, judged_documents: 50, seed: 3}\n")
    assert command_line(["text", "train", "--config", str(config), "--out", out]) == 0
    said = capsys.readouterr().out
    assert "training: ngram" in said
    assert "above the floor" in said
    assert ModelFolder(tmp_path / "model").manifest().settings.seed == 3
    assert command_line(["text", "judge", out, "--written", "10"]) == 0
    said = capsys.readouterr().out
    assert "5-gram (this model)" in said
    for word in ("held-out names", "attainment", "calibration", "10 documents written", "Synthetic"):
        assert word in said
    assert command_line(["text", "judge", out, "--written", "0", "--max-excess", "0.01", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["scores"][0]["model"] == "5-gram"
    assert command_line(["text", "sample", out, "--n", "2", "--prompt", "Risk note", "--seed", "1"]) == 0
    banner, *written = capsys.readouterr().out.splitlines()
    assert banner.startswith("Synthetic")
    assert len(written) == 2
    assert all(line.startswith("Risk note") for line in written)
    assert command_line(["text", "sample", out, "--json", "--temperature", "0", "--stop", "."]) == 0
    (document,) = json.loads(capsys.readouterr().out)["documents"]
    assert "." not in document["text"]


def test_the_same_settings_give_the_same_model(folder, tmp_path):
    again = train_text_model(NGRAMS, tmp_path / "again")
    assert again == ModelFolder(folder).manifest()
    assert judge_folder(tmp_path / "again", n_written=3) == judge_folder(folder, n_written=3)


def test_python_trains_and_judges(tmp_path):
    config = ModelConfig(architecture="ngram", documents=300, seed=5)
    report = main(config, out=tmp_path / "model", n_written=5)
    assert report.scores[0].excess > 0
    assert report.writing.n_documents == 5


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"embedding_dim": 100}, "multiple of twice num_heads"),
        ({"vocab_size": 5}, "vocab_size"),
        ({"epochs": "many"}, "epochs"),
        ({"architecture": "rnn"}, "architecture"),
    ],
)
def test_a_config_that_cannot_be_is_refused_by_name(values, problem, tmp_path):
    with pytest.raises(UsageError, match=problem):
        main(ModelConfig(**values), out=tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_main_takes_its_own_config_only():
    with pytest.raises(UsageError, match="config"):
        main({"epochs": 3})


def test_a_trained_model_or_another_folder_is_never_overwritten(folder, tmp_path):
    with pytest.raises(RefusedError, match="trained model already"):
        train_text_model(NGRAMS, folder)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RefusedError, match="not empty"):
        train_text_model(NGRAMS, tmp_path)


def test_an_unfinished_training_of_other_settings_is_not_gone_on_with(folder, tmp_path):
    for name in ("model.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    unfinished = json.loads((tmp_path / "model.json").read_text()) | {"weights_sha256": "", "curve": []}
    (tmp_path / "model.json").write_text(json.dumps(unfinished))
    with pytest.raises(RefusedError, match="not finished"):
        ModelFolder(tmp_path).load()
    with pytest.raises(RefusedError, match="other settings"):
        train_text_model(TextModelSettings(architecture="ngram", documents=401), tmp_path)
    assert train_text_model(NGRAMS, tmp_path).weights_sha256 == ModelFolder(folder).manifest().weights_sha256


def test_a_training_killed_before_its_tokenizer_was_written_goes_on(folder, tmp_path):
    path = tmp_path / "model"
    path.mkdir()
    whole = json.loads((folder / "model.json").read_text())
    (path / "model.json").write_text(json.dumps(whole | {"weights_sha256": "", "curve": []}))
    train_text_model(NGRAMS, path)
    for name in ("model.json", "tokenizer.json"):
        assert (path / name).read_bytes() == (folder / name).read_bytes()


@pytest.mark.parametrize("name", ["tokenizer.json", "ngrams.npz"])
def test_a_changed_file_is_not_opened(folder, tmp_path, name):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes() + b" ")
    with pytest.raises(RefusedError, match=name):
        ModelFolder(tmp_path).load()


@pytest.mark.parametrize("content", ["", "{}", '{"format": 9}', "[" * 100_000])
def test_a_folder_that_describes_no_model_is_refused(tmp_path, content):
    with pytest.raises(NotFoundError, match="holds no text model"):
        ModelFolder(tmp_path / "missing").load()
    (tmp_path / "model.json").write_text(content)
    with pytest.raises(UsageError, match="describes no text model"):
        ModelFolder(tmp_path).load()


def test_without_the_extra_one_sentence_says_so_and_ngrams_stand_in(monkeypatch):
    monkeypatch.setattr(torch_extra, "_MODULES", ("torch_that_nobody_has",))
    assert architecture_of(TextModelSettings()) == "ngram"
    with pytest.raises(UsageError, match=r"pip install 'bondx-console\[text\]'; text_model.architecture ngram"):
        architecture_of(TextModelSettings(architecture="decoder"))


def test_a_users_own_documents_are_split_without_overlap(tmp_path):
    (tmp_path / "own.txt").write_text("".join(f"document number {n}\n" for n in range(100)))
    data = text_data(TextModelSettings(corpus=str(tmp_path / "own.txt")))
    parts = [data.training.documents, data.validation.documents, data.judged.documents]
    assert [len(part) for part in parts] == [80, 10, 10]
    assert len({document for part in parts for document in part}) == 100
    (tmp_path / "few.txt").write_text("one\ntwo\n")
    with pytest.raises(UsageError, match="has 2 documents; a model needs at least 10"):
        text_data(TextModelSettings(corpus=str(tmp_path / "few.txt")))
    (tmp_path / "few.txt").write_text("one\n")
    with pytest.raises(UsageError, match="has 1 document; a model needs at least 10"):
        text_data(TextModelSettings(corpus=str(tmp_path / "few.txt")))


def test_a_corpus_that_has_changed_is_not_judged_by(tmp_path, capsys):
    own, out = tmp_path / "own.txt", tmp_path / "model"
    own.write_text("".join(f"document number {n}\n" for n in range(100)))
    assert command_line(["text", "train", "--architecture", "ngram", "--corpus", str(own), "--out", str(out)]) == 0
    assert command_line(["text", "judge", str(out), "--max-excess", "1"]) == 2
    assert "known floor" in capsys.readouterr().err
    assert command_line(["text", "judge", str(out), "--written", "5"]) == 0
    assert "Synthetic" not in capsys.readouterr().out
    own.write_text("".join(f"document number {n}\n" for n in range(200)))
    with pytest.raises(CoreError, match="has changed since"):
        judge_folder(out)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["sample", "MODEL", "--temperature", "-1"], "--temperature -1 must be a number, at least 0."),
        (["sample", "MODEL", "--max-tokens", "5000"], "--max-tokens 5000 must be a whole number, at most 2,048."),
        (["sample", "MODEL", "--seed", "-1"], "--seed -1 must be a whole number, at least 0."),
        (["sample", "MODEL", "--stop", "x" * 201], "--stop must have entries that are text of at most 200 characters."),
        (["train", "--out", "nowhere", "--lora-rank", "9999"], "--lora-rank 9999 must be a whole number, at most"),
        (["sample", "MODEL", "--n", "10001"], "at most 10,000"),
        (["judge", "MODEL", "--written", "-1"], "from 0 to 10,000"),
        (["judge", "nowhere"], "holds no text model"),
    ],
)
def test_a_wrong_argument_is_refused(folder, capsys, arguments, problem):
    assert command_line(["text", *(str(folder) if word == "MODEL" else word for word in arguments)]) == 2
    assert problem in capsys.readouterr().err


def test_a_prompt_that_is_too_long_is_refused_before_the_model_is_opened(folder, capsys):
    assert (
        command_line(["text", "sample", str(folder), "--max-tokens", "1", "--prompt", "x" * MAX_PROMPT_CHARACTERS]) == 0
    )
    assert command_line(["text", "sample", "nowhere", "--prompt", "x" * 100_000]) == 2
    assert "--prompt has 100,000 characters; give at most 8,000." in capsys.readouterr().err


def test_a_folder_that_another_training_fills_is_refused_until_that_has_ended(tmp_path, monkeypatch):
    path, counted = tmp_path / "model", training_by_one.count_ngrams

    def count_while_another_begins(prepared):
        monkeypatch.setattr(training_by_one, "count_ngrams", lambda _: pytest.fail("two trained at once"))
        with pytest.raises(RefusedError, match=f"Another process is writing a model into {path}"):
            train_text_model(NGRAMS, path)
        return counted(prepared)

    monkeypatch.setattr(training_by_one, "count_ngrams", count_while_another_begins)
    made = train_text_model(NGRAMS, path)
    assert ModelFolder(path).manifest() == made
    assert {file.name for file in path.iterdir()} == {"model.json", "tokenizer.json", "ngrams.npz"}


def test_a_training_that_was_killed_leaves_no_lock(folder, tmp_path, monkeypatch):
    path, counted = tmp_path / "model", training_by_one.count_ngrams
    monkeypatch.setattr(training_by_one, "count_ngrams", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train_text_model(NGRAMS, path)
    monkeypatch.setattr(training_by_one, "count_ngrams", counted)
    assert train_text_model(NGRAMS, path) == ModelFolder(folder).manifest()


def test_a_folder_of_other_files_is_not_offered_for_training(tmp_path):
    with pytest.raises(NotFoundError, match=f"text train --out {tmp_path} makes one"):
        ModelFolder(tmp_path).load()
    (tmp_path / "hosts").write_text("")
    with pytest.raises(NotFoundError, match=r"holds no text model; name the folder of a trained one\."):
        ModelFolder(tmp_path).load()
    Workspace.create(tmp_path / "w", settings_text="{}")
    (tmp_path / "w" / "new").mkdir()
    with pytest.raises(NotFoundError, match="name the folder of a trained one"):
        ModelFolder(tmp_path / "w" / "new").load()
