"""Smaller models: layers of eight bits, fewer hidden units, and students of a teacher; what each costs is said.

They need the extra `text`; `make interop` runs them where it is installed.
"""

import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from safetensors.torch import load_file, save_file  # noqa: E402

from bondx.ml.model_fine_tuning import ModelConfig, compare, main, shrink  # noqa: E402
from console.cli.main import main as command_line  # noqa: E402
from core.errors import RefusedError, UsageError  # noqa: E402
from core.files import digest  # noqa: E402
from core.settings.text_model import TextModelSettings  # noqa: E402
from core.text.model_folder import ModelFolder, open_base  # noqa: E402
from core.text.neural.decoder import Decoder  # noqa: E402
from core.text.neural.int8 import Int8Linear, use_int8  # noqa: E402
from core.text.neural.pruning import prune_hidden_units  # noqa: E402
from core.text.neural.weights import DecoderModel, WeightsError, open_decoder, teacher_distances  # noqa: E402
from core.text.shrinking import shrink_folder  # noqa: E402
from core.text.training import train_text_model  # noqa: E402

GPT2 = Path(__file__).parent / "gpt2_small"
OWN = TextModelSettings(
    architecture="decoder", documents=150, judged_documents=20, embedding_dim=16, hidden_dim=32, num_heads=2,
    num_layers=2, max_length=64, batch_size=8, max_steps=30, evaluation_steps=10, checkpoint_steps=7, warmup_steps=2,
    learning_rate=0.01, dropout=0.0,
)  # fmt: skip
SHAPES = ["own", "gpt2"]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A trained model of each shape."""
    paths = {shape: tmp_path_factory.mktemp("models") / shape for shape in SHAPES}
    train_text_model(OWN, paths["own"])
    tuned = msgspec.structs.replace(OWN, architecture="auto", base=str(GPT2), learning_rate=0.001)
    train_text_model(tuned, paths["gpt2"])
    return paths


@pytest.mark.parametrize(("n_inputs", "n_outputs"), [(16, 48), (33, 7), (1, 1)])
@pytest.mark.parametrize("has_bias", [True, False])
def test_a_rounded_layer_is_the_layer_within_its_steps(n_inputs, n_outputs, has_bias):
    torch.manual_seed(1)
    layer = torch.nn.Linear(n_inputs, n_outputs, bias=has_bias)
    state = torch.randn(3, 5, n_inputs) * torch.tensor([1e-3, 1.0, 1e3]).view(3, 1, 1)
    rounded = Int8Linear(layer)
    found, exact = rounded(state).double(), layer.double()(state.double())
    steps = state.abs().amax(-1, keepdim=True).double() / 127
    scales = rounded.scale.double()
    rows = state.double().abs().sum(-1, keepdim=True) * scales / 2  # each weight is off by half a step at most
    columns = steps / 2 * (rounded.weight.double().abs() * scales.view(-1, 1)).sum(-1)
    assert ((found - exact).abs() <= (rows + columns) * 1.0001 + 1e-6).all()
    assert rounded.weight.dtype == torch.int8
    assert not torch.equal(found, exact)


def test_a_layer_of_zeros_stays_zero():
    layer = torch.nn.Linear(4, 3, bias=False)
    torch.nn.init.zeros_(layer.weight)
    assert torch.equal(Int8Linear(layer)(torch.randn(2, 4)), torch.zeros(2, 3))
    assert torch.equal(Int8Linear(torch.nn.Linear(4, 3, bias=False))(torch.zeros(2, 4)), torch.zeros(2, 3))


def test_what_a_document_weighs_does_not_depend_on_those_beside_it():
    torch.manual_seed(0)
    decoder = Decoder(OWN, 300)
    use_int8(decoder)
    model = DecoderModel(decoder)
    documents = [[5, 9, 120], [7] * 30, [2]]
    together = model.document_nats(documents)
    assert np.allclose(together, [float(model.document_nats([each])[0]) for each in documents], atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_model_of_eight_bits_is_small_and_nearly_as_good(models, tmp_path, shape):
    made = shrink(str(models[shape]), tmp_path / "small", int8=True)
    assert made.precision == "int8"
    assert made.low <= made.cost <= made.high
    assert abs(made.cost) < 0.01
    assert made.cost == pytest.approx(made.score.nats_a_token - made.source_score.nats_a_token)
    weights = load_file(tmp_path / "small" / "weights.safetensors")
    rounded = [name for name, weight in weights.items() if weight.dtype == torch.int8]
    assert rounded
    assert all("attention" in name or "feed_forward" in name for name in rounded)
    assert made.n_bytes == (tmp_path / "small" / "weights.safetensors").stat().st_size < made.source_bytes
    assert made.source_bytes == (models[shape] / "weights.safetensors").stat().st_size
    opened = ModelFolder(tmp_path / "small").load()
    assert sum(isinstance(part, Int8Linear) for part in opened.model.decoder.modules()) == len(rounded)
    again = compare(tmp_path / "small", models[shape])
    assert again.bits_a_character == pytest.approx(made.score.bits_a_character, abs=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_fewer_hidden_units_are_those_that_move_the_output_most(models, tmp_path, shape):
    opened = ModelFolder(models[shape]).load()
    decoder, rows = opened.model.decoder, [[0, 40, 50, 60, 0], [0, 7, 0]]
    layer = decoder.layers[0].feed_forward
    seen = []
    hook = layer.down.register_forward_pre_hook(lambda _, given: seen.append(given[0][0]))
    with torch.no_grad():
        for row in rows:
            decoder(torch.tensor([row[:-1]]))
    hook.remove()
    norms = torch.stack([column.norm() for column in layer.down.weight.detach().T])
    scores = torch.cat(seen).square().sum(0).sqrt() * norms
    best = sorted(range(len(scores)), key=lambda unit: -float(scores[unit]))[:5]
    up, down = layer.up.weight[sorted(best)], layer.down.weight[:, sorted(best)]
    prune_hidden_units(decoder, rows, 5)
    assert torch.equal(layer.up.weight, up)
    assert torch.equal(layer.down.weight, down)
    made = shrink_folder(models[shape], tmp_path / "small", hidden_units=8)
    assert (made.hidden_units, made.precision) == (8, "float32")
    assert ModelFolder(tmp_path / "small").load().model.decoder.layers[1].feed_forward.down.in_features == 8
    assert made.cost == pytest.approx(made.score.nats_a_token - made.source_score.nats_a_token)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_pruned_model_learns_again_from_the_one_it_was_made_of(models, tmp_path, shape):
    pruned = shrink_folder(models[shape], tmp_path / "pruned", hidden_units=4)
    settings = msgspec.structs.replace(
        OWN, architecture="auto", base=str(tmp_path / "pruned"), teacher=str(models[shape]), learning_rate=0.003
    )
    made = train_text_model(settings, tmp_path / "again")
    assert made.teacher_sha256 == open_base(models[shape]).sha256
    after = compare(tmp_path / "again", tmp_path / "pruned")
    assert after.bits_a_character < pruned.score.bits_a_character


def test_a_smaller_model_is_the_same_whenever_it_is_made_and_both_can_be_asked(models, tmp_path):
    for name in ("one", "two"):
        made = shrink_folder(models["own"], tmp_path / name, int8=True, hidden_units=20)
    assert (made.precision, made.hidden_units) == ("int8", 20)
    files = sorted(file.name for file in (tmp_path / "one").iterdir())
    assert files == ["model.json", "tokenizer.json", "weights.safetensors"]
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    described = ModelFolder(tmp_path / "one").manifest()
    assert described.source_sha256 == digest((models["own"] / "model.json").read_bytes())
    assert described.settings.hidden_dim == 20


def test_adapters_are_merged_into_a_smaller_model(models, tmp_path):
    tuned = msgspec.structs.replace(OWN, architecture="auto", base=str(models["own"]), lora_rank=2)
    train_text_model(tuned, tmp_path / "tuned")
    made = shrink_folder(tmp_path / "tuned", tmp_path / "small", int8=True)
    assert abs(made.cost) < 0.01
    assert ModelFolder(tmp_path / "small").load().manifest.settings.lora_rank == 0


def test_the_command_says_what_it_costs(models, tmp_path, capsys):
    out = tmp_path / "small"
    assert (
        command_line(["text", "shrink", str(models["own"]), "--out", str(out), "--int8", "--hidden-units", "30"]) == 0
    )
    told = capsys.readouterr().out
    assert "int8, 30 hidden units a layer" in told
    assert "nats a token (95 % interval" in told
    assert command_line(["text", "sample", str(out), "--max-tokens", "5"]) == 0
    capsys.readouterr()
    asked = ["text", "shrink", str(models["own"]), "--out", str(tmp_path / "json"), "--int8", "--json"]
    assert command_line(asked) == 0
    assert json.loads(capsys.readouterr().out)["precision"] == "int8"


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        ([], 2, "Nothing would be smaller"),
        (["--hidden-units", "32"], 2, "has 32 in each layer; keep fewer, and at least 4"),
        (["--hidden-units", "3"], 2, "at least 4"),
        (["--hidden-units", "0"], 2, "must be a whole number, at least 1"),
        (["--int8", "--out", "OWN"], 3, "holds a trained model already"),
    ],
)
def test_what_cannot_be_made_smaller_is_refused(models, tmp_path, capsys, arguments, code, problem):
    given = [str(models["own"]) if word == "OWN" else word for word in arguments]
    asked = ["text", "shrink", str(models["own"]), "--out", str(tmp_path / "out"), *given]
    assert command_line(asked) == code
    assert problem in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_ngrams_and_models_of_eight_bits_are_refused(models, tmp_path):
    train_text_model(TextModelSettings(architecture="ngram", documents=50), tmp_path / "ngram")
    with pytest.raises(UsageError, match="only a decoder can be made smaller"):
        shrink_folder(tmp_path / "ngram", tmp_path / "out", int8=True)
    shrink_folder(models["own"], tmp_path / "small", int8=True)
    with pytest.raises(UsageError, match="of eight bits; make a smaller one"):
        shrink_folder(tmp_path / "small", tmp_path / "out", hidden_units=2)
    tuned = msgspec.structs.replace(OWN, architecture="auto", base=str(tmp_path / "small"))
    with pytest.raises(UsageError, match="rounded to eight bits; tune the model it was made of"):
        train_text_model(tuned, tmp_path / "out")


def test_weights_of_another_precision_are_refused(models):
    content = (models["own"] / "weights.safetensors").read_bytes()
    n_tokens = ModelFolder(models["own"]).load().tokenizer.n_tokens
    with pytest.raises(WeightsError, match=r"is torch\.float32, not torch\.int8"):
        open_decoder(content, OWN, n_tokens, "weights.safetensors", is_int8=True)


def test_whole_numbers_are_no_weights_of_a_decoder(models, tmp_path):
    weights = load_file(models["own"] / "weights.safetensors")
    weights["norm.weight"] = weights["norm.weight"].to(torch.int64)
    save_file(weights, tmp_path / "weights.safetensors")
    n_tokens = ModelFolder(models["own"]).load().tokenizer.n_tokens
    with pytest.raises(WeightsError, match=r"norm\.weight is torch\.int64"):
        open_decoder((tmp_path / "weights.safetensors").read_bytes(), OWN, n_tokens, "weights.safetensors")


def test_the_distance_from_a_teacher_is_that_of_its_distribution():
    torch.manual_seed(2)
    own, taught = torch.randn(2, 3, 5), torch.randn(2, 3, 5)
    targets = torch.tensor([[1, 2, -100], [0, -100, -100]])
    found = teacher_distances(own, taught, targets)
    for row in range(2):
        for place in range(3):
            shares = torch.softmax(taught[row, place], 0)
            expected = sum(
                float(share) * (float(share.log()) - float(torch.log_softmax(own[row, place], 0)[token]))
                for token, share in enumerate(shares)
            )
            predicted = int(targets[row, place]) != -100
            assert float(found[row, place]) == pytest.approx(expected if predicted else 0.0, abs=1e-6)


def test_a_student_has_its_own_shape_and_the_tokens_of_its_teacher(models, tmp_path):
    student = msgspec.structs.replace(OWN, embedding_dim=8, hidden_dim=8, num_layers=1, teacher=str(models["own"]))
    made = train_text_model(student, tmp_path / "student")
    alone = train_text_model(msgspec.structs.replace(student, teacher=""), tmp_path / "alone")
    assert made.tokenizer_sha256 == ModelFolder(models["own"]).manifest().tokenizer_sha256
    assert made.weights_sha256 != alone.weights_sha256
    assert ModelFolder(tmp_path / "student").load().model.decoder.embedding.embedding_dim == 8
    config = ModelConfig(teacher=str(GPT2), documents=60, max_steps=2, max_length=24, embedding_dim=16)
    assert main(config, out=tmp_path / "python", n_written=1).scores[0].model == "decoder"


def test_a_killed_student_goes_on_to_the_same_bytes(models, tmp_path, monkeypatch):
    from core.text.neural import training

    student = msgspec.structs.replace(OWN, num_layers=1, teacher=str(models["own"]), max_steps=16)
    whole = train_text_model(student, tmp_path / "whole")
    write = training.write_file

    def dies(path, content):
        write(path, content)
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "write_file", dies)
    with pytest.raises(KeyboardInterrupt):
        train_text_model(student, tmp_path / "killed")
    monkeypatch.setattr(training, "write_file", write)
    assert train_text_model(student, tmp_path / "killed") == whole


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"max_length": 128}, "must be at most 64"),
        ({"base": str(GPT2), "architecture": "auto"}, "another tokenizer"),
    ],
)
def test_a_teacher_that_cannot_teach_is_refused(models, tmp_path, settings, problem):
    student = msgspec.structs.replace(OWN, teacher=str(models["own"]), **settings)
    with pytest.raises(UsageError, match=problem):
        train_text_model(student, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_training_does_not_go_on_with_another_teacher_in_the_place_of_its_own(models, tmp_path, monkeypatch):
    from core.text.neural import training

    def dies(_):
        raise KeyboardInterrupt

    teacher = shutil.copytree(models["own"], tmp_path / "teacher")
    student = msgspec.structs.replace(OWN, num_layers=1, teacher=str(teacher), max_steps=16)
    with monkeypatch.context() as patched:
        patched.setattr(training.DecoderTraining, "step", dies)
        with pytest.raises(KeyboardInterrupt):
            train_text_model(student, tmp_path / "killed")
    shutil.rmtree(teacher)
    shrink_folder(models["own"], teacher, int8=True)
    with pytest.raises(RefusedError, match="another model"):
        train_text_model(student, tmp_path / "killed")
