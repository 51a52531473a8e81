"""Fine-tuning: a GPT-2 as others compute it, adapters beside a base, kills, and folders that lie.

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

from bondx.ml.model_fine_tuning import ModelConfig, main  # noqa: E402
from console.cli.main import main as command_line  # noqa: E402
from core.errors import CoreError, NotFoundError, RefusedError, UsageError  # noqa: E402
from core.settings.text_model import TextModelSettings  # noqa: E402
from core.text.model_folder import ModelFolder, open_base  # noqa: E402
from core.text.neural import training as neural_training  # noqa: E402
from core.text.neural import weights  # noqa: E402
from core.text.neural.lora import LowRankLinear, merge_adapters, trained_weights  # noqa: E402
from core.text.neural.weights import WeightsError, add_lora  # noqa: E402
from core.text.training import judge_folder, train_text_model  # noqa: E402

SMALL = Path(__file__).parent / "gpt2_small"
EXPECTED = json.loads((SMALL / "expected.json").read_text())
OWN = TextModelSettings(
    architecture="decoder", documents=120, judged_documents=20, embedding_dim=16, hidden_dim=32, num_heads=2,
    num_layers=2, max_length=64, batch_size=8, max_steps=8, evaluation_steps=4, checkpoint_steps=3, warmup_steps=2,
    learning_rate=0.01, dropout=0.1,
)  # fmt: skip
DOCUMENTS = [[5, 90, 33], [7] * 40, []]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "model"
    train_text_model(OWN, path)
    return path


@pytest.fixture
def copied(tmp_path):
    return Path(shutil.copytree(SMALL, tmp_path / "gpt2"))


def tuned(base, **values):
    given = {"base": str(base), "architecture": "auto", "seed": 5, **values}
    return msgspec.structs.replace(OWN, **given)


def base_of(kind, own):
    return own if kind == "own" else SMALL


def test_the_logits_are_those_of_another_implementation():
    base = open_base(SMALL)
    vocabulary_order = _order()
    ours = [vocabulary_order.index(token) for token in EXPECTED["ids"]]
    with torch.inference_mode():
        logits = base.model.decoder(torch.tensor([ours]))[0][0]
    theirs = torch.empty_like(logits)
    theirs[:, list(vocabulary_order)] = logits
    assert np.abs(theirs[:, ::16].numpy() - np.array(EXPECTED["logits"])).max() < 1e-5


def _order():
    from core.text.tokenizers.gpt2 import read_gpt2_tokenizer

    return read_gpt2_tokenizer((SMALL / "tokenizer.json").read_bytes(), "tokenizer.json").order


def test_what_a_gpt2_keeps_of_earlier_tokens_changes_nothing():
    model = open_base(SMALL).model
    for document in ([5, 90, 33, 270], [286] * 10):
        going, nats = model.begin(), 0.0
        for token in [*document, 0]:
            nats -= going.next_log_probabilities()[token]
            going.take([token])
        assert model.document_nats([document])[0] == pytest.approx(nats, rel=1e-5)


@pytest.mark.parametrize("kind", ["own", "gpt2"])
def test_adapters_begin_at_the_base_and_are_worth_the_same_merged(own, kind):
    model = open_base(base_of(kind, own)).model
    before = model.document_nats(DOCUMENTS)
    settings = tuned(own, lora_rank=3, lora_alpha=6.0, lora_targets=("queries_keys_values", "output", "up", "down"))
    add_lora(model.decoder, settings)
    assert (model.document_nats(DOCUMENTS) == before).all()
    assert all("lora" in name for name in trained_weights(model.decoder))
    assert len([part for part in model.decoder.modules() if isinstance(part, LowRankLinear)]) == 8
    with torch.no_grad():
        for weight in trained_weights(model.decoder).values():
            weight.normal_(std=0.3, generator=torch.Generator().manual_seed(3))
    apart = model.document_nats(DOCUMENTS)
    assert abs(apart - before).max() > 0.01
    merge_adapters(model.decoder)
    assert not any(isinstance(part, LowRankLinear) for part in model.decoder.modules())
    assert model.document_nats(DOCUMENTS) == pytest.approx(apart, rel=1e-5)


@pytest.mark.parametrize("kind", ["own", "gpt2"])
@pytest.mark.parametrize("rank", [0, 2])
def test_a_tuned_base_is_better_and_never_worse_than_it_was(own, tmp_path, kind, rank):
    told = []
    settings = tuned(base_of(kind, own), lora_rank=rank)
    made = train_text_model(settings, tmp_path / "tuned", report=told.append)
    first, *later = made.curve
    assert (first.step, told[0].step) == (0, 0)
    assert min(point.validation_nats for point in later) < first.validation_nats
    assert judge_folder(tmp_path / "tuned", n_written=2).scores[0].model == made.architecture
    names = sorted(file.name for file in (tmp_path / "tuned").iterdir())
    assert names == sorted(["model.json", "speed.json", "tokenizer.json", made.weights_name])
    again = open_base(tmp_path / "tuned").model
    assert again.n_weights == open_base(base_of(kind, own)).model.n_weights
    train_text_model(tuned(tmp_path / "tuned", max_steps=2), tmp_path / "twice")
    assert ModelFolder(tmp_path / "twice").load().manifest.base_sha256


@pytest.mark.parametrize("kind", ["own", "gpt2"])
def test_the_first_loss_is_that_of_the_base(own, tmp_path, kind):
    curves = [
        train_text_model(tuned(base_of(kind, own), lora_rank=rank), tmp_path / str(rank)).curve[0] for rank in (0, 2)
    ]
    assert curves[0] == curves[1]


def test_adapters_are_small_and_know_their_base(own, tmp_path):
    base = Path(shutil.copytree(own, tmp_path / "base"))
    made = train_text_model(tuned(base, lora_rank=1), tmp_path / "tuned")
    tensors = load_file(tmp_path / "tuned" / "adapters.safetensors")
    assert {name.rpartition(".")[2] for name in tensors} == {"lora_down", "lora_up"}
    assert sum(map(torch.numel, tensors.values())) == 2 * (16 + 48 + 16 + 16)
    assert len(made.base_sha256) == 64
    manifest = base / "model.json"
    manifest.write_text(manifest.read_text() + "\n")
    with pytest.raises(RefusedError, match=r"base is not the base that the adapters in .*tuned were trained on"):
        ModelFolder(tmp_path / "tuned").load()
    shutil.rmtree(base)
    with pytest.raises(NotFoundError, match="the base, is no folder"):
        ModelFolder(tmp_path / "tuned").load()


class KilledError(BaseException):
    """Stands for a kill after a checkpoint."""


@pytest.mark.parametrize("kind", ["own", "gpt2"])
@pytest.mark.parametrize("rank", [0, 2])
def test_a_killed_tuning_goes_on_to_the_same_bytes(own, tmp_path, monkeypatch, kind, rank):
    settings, write = tuned(base_of(kind, own), lora_rank=rank), neural_training.write_file
    train_text_model(settings, tmp_path / "whole")

    def dies(path, content):
        write(path, content)
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(neural_training, "write_file", dies)
        with pytest.raises(KilledError):
            train_text_model(settings, tmp_path / "killed")
    assert (tmp_path / "killed" / "checkpoint.safetensors").exists()
    train_text_model(settings, tmp_path / "killed")
    for file in (tmp_path / "whole").iterdir():
        if file.name == "speed.json":  # the tokens a second, which no two trainings have alike
            continue
        assert file.read_bytes() == (tmp_path / "killed" / file.name).read_bytes()


def test_a_model_in_shards_is_the_same_model(copied):
    tensors = load_file(copied / "model.safetensors")
    half = len(tensors) // 2
    homes = {name: f"model-{1 + (place >= half)}.safetensors" for place, name in enumerate(sorted(tensors))}
    for file in set(homes.values()):
        save_file({name: tensors[name] for name, home in homes.items() if home == file}, copied / file)
    (copied / "model.safetensors").unlink()
    index = copied / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": homes}))
    sharded, whole = open_base(copied), open_base(SMALL)
    assert (sharded.model.document_nats(DOCUMENTS) == whole.model.document_nats(DOCUMENTS)).all()
    assert sharded.sha256 != whole.sha256
    for name in ("../model.safetensors", "pytorch_model.bin", "b\0.safetensors"):
        index.write_text(json.dumps({"weight_map": homes | {"h.0.ln_1.bias": name}}))
        with pytest.raises(WeightsError, match="weight_map"):
            open_base(copied)
    index.write_text(json.dumps({"weight_map": homes | {min(homes): "model-2.safetensors"}}))
    with pytest.raises(WeightsError, match=r"model-1\.safetensors, .*does not place this tensor"):
        open_base(copied)


def test_documents_are_weighed_in_as_few_at_once_as_memory_allows(own, monkeypatch):
    model = open_base(own).model
    documents = [[token % model.n_tokens or 1 for token in range(n)] for n in (50, 3, 40, 0, 17)]
    whole, sizes = model.document_nats(documents), []
    monkeypatch.setattr(weights, "_LOGITS_AT_ONCE", 45 * model.n_tokens)
    model.decoder.register_forward_hook(lambda *call: sizes.append(call[-1][0].shape[:2].numel()))
    assert model.document_nats(documents) == pytest.approx(whole, rel=1e-5)
    assert len(sizes) > 2
    assert max(sizes) == 51  # that of the longest document alone


def test_a_shape_that_the_weights_do_not_have_takes_no_memory(own, tmp_path):
    path = Path(shutil.copytree(own, tmp_path / "own"))
    manifest = json.loads((path / "model.json").read_text())
    manifest["settings"] |= {"embedding_dim": 2048, "hidden_dim": 8192, "num_layers": 48}
    (path / "model.json").write_text(json.dumps(manifest))
    with pytest.raises(WeightsError, match="holds no weights of this decoder"):
        ModelFolder(path).load()


def test_adapters_without_the_hash_of_their_base_are_refused(own, tmp_path):
    path = tmp_path / "tuned"
    train_text_model(tuned(own, lora_rank=2), path)
    manifest = json.loads((path / "model.json").read_text())
    (path / "model.json").write_text(json.dumps(manifest | {"base_sha256": ""}))
    with pytest.raises(UsageError, match="base_sha256 is empty"):
        ModelFolder(path).load()


def test_a_base_and_documents_are_found_from_every_folder(own, tmp_path, monkeypatch):
    (tmp_path / "notes.txt").write_text("".join(f"Note {n} of the desk on gas.\n" for n in range(60)))
    monkeypatch.chdir(tmp_path)
    Path("base").symlink_to(own)
    told = []
    train_text_model(tuned("base", lora_rank=2, corpus="notes.txt"), tmp_path / "tuned", report=told.append)
    monkeypatch.chdir("/")
    judge_folder(tmp_path / "tuned")
    assert told[0].seconds_left is None
    assert told[-1].seconds_left == 0


def test_names_masks_and_a_tied_output_of_other_releases_are_read(copied):
    tensors = {
        name.removeprefix("transformer."): each for name, each in load_file(copied / "model.safetensors").items()
    }
    tensors = {f"transformer.{name}": each.clone() for name, each in tensors.items() if name != "lm_head.weight"}
    tensors["lm_head.weight"] = tensors["transformer.wte.weight"].clone()
    tensors["transformer.h.0.attn.bias"] = torch.ones(1, 1, 24, 24)
    save_file(tensors, copied / "model.safetensors")
    assert (open_base(copied).model.document_nats(DOCUMENTS) == open_base(SMALL).model.document_nats(DOCUMENTS)).all()
    tensors["lm_head.weight"][0, 0] += 1
    save_file(tensors, copied / "model.safetensors")
    with pytest.raises(WeightsError, match=r"lm_head\.weight: the output is not tied"):
        open_base(copied)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"model_type": "llama"}, "model_type: 'llama' is not known"),
        ({"activation_function": "relu"}, "activation_function"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx"),
        ({"n_head": 3}, "must be a multiple of n_head"),
        ({"n_layer": 10**9}, "n_layer"),
        ({"n_embd": "wide"}, "n_embd"),
        ({"vocab_size": 300}, "tokenizer of another model"),
        ({"n_layer": 3}, r"lacks a tensor: h\.2\.ln_1\.weight"),
        ({"n_layer": 1}, r"h\.1\..*: a GPT-2 of this shape has no such tensor"),
        ({"n_inner": 16}, r"mlp\.c_fc\.bias: its shape is \[32\]; config\.json says \[16\]"),
    ],
)
def test_a_config_that_is_not_of_these_weights_is_refused(copied, values, problem):
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(config | values))
    with pytest.raises(CoreError, match=problem):
        open_base(copied)


def _changed(name, change):
    def damage(tensors):
        key = next(each for each in tensors if each.endswith(name))
        tensors[key] = change(tensors[key])

    return damage


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (_changed("h.0.ln_1.bias", lambda each: each * torch.nan), r"h\.0\.ln_1\.bias: it holds a value"),
        (_changed("wte.weight", lambda each: each / 0), r"wte\.weight: it holds a value"),
        (_changed("h.1.attn.c_attn.weight", lambda each: each.T.contiguous()), r"c_attn\.weight: its shape is"),
        (_changed("h.0.ln_1.bias", lambda each: each.to(torch.int32)), r"its type is I32; it must be one of F32"),
        (lambda tensors: tensors.pop(next(each for each in tensors if "wpe" in each)), r"lacks a tensor: wpe\.weight"),
        (lambda tensors: tensors.update(extra=torch.ones(2)), r"extra: a GPT-2 of this shape has no such tensor"),
    ],
)
def test_weights_that_lie_are_refused_with_their_place(copied, damage, problem):
    tensors = load_file(copied / "model.safetensors")
    damage(tensors)
    save_file(tensors, copied / "model.safetensors")
    with pytest.raises(WeightsError, match=problem):
        open_base(copied)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "holds no weights"),
        (b"\x80\x04K\x01." * 20, "its header has"),
        ((2**40).to_bytes(8, "little") + b"{}", "its header has 1,099,511,627,776 bytes"),
        ((2).to_bytes(8, "little") + b"[]", "holds no weights"),
    ],
)
def test_a_file_that_is_no_safetensors_is_refused(copied, content, problem):
    (copied / "model.safetensors").write_bytes(content)
    with pytest.raises(WeightsError, match=problem):
        open_base(copied)


def test_half_precision_is_read(copied):
    halved = {name: each.to(torch.bfloat16) for name, each in load_file(copied / "model.safetensors").items()}
    save_file(halved, copied / "model.safetensors")
    assert open_base(copied).model.document_nats(DOCUMENTS) == pytest.approx(
        open_base(SMALL).model.document_nats(DOCUMENTS), rel=0.02
    )


def test_a_pickle_is_refused_and_never_opened(copied, tmp_path, capsys):
    (copied / "model.safetensors").rename(copied / "pytorch_model.bin")
    with pytest.raises(UsageError, match=r"pytorch_model\.bin is a pickle.*safe_serialization=True"):
        open_base(copied)
    assert command_line(["text", "train", "--base", str(copied), "--out", str(tmp_path / "out")]) == 2
    assert "is a pickle" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_missing_file_is_named(copied, name):
    (copied / name).unlink()
    with pytest.raises(NotFoundError, match=name):
        open_base(copied)


def test_the_command_and_python_tune_a_base(own, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("BONDX_HOME", str(tmp_path / "nowhere"))
    config = tmp_path / "text.yaml"
    config.write_text(
        "text_model: {documents: 120, judged_documents: 20, max_steps: 4, batch_size: 8, lora_alpha: 4}\n"
    )
    out = str(tmp_path / "tuned")
    asked = ["text", "train", "--config", str(config), "--base", str(own), "--lora-rank", "2", "--out", out]
    assert command_line(asked) == 0
    assert "training: decoder" in capsys.readouterr().out
    assert ModelFolder(Path(out)).manifest().settings.lora_alpha == 4
    assert command_line(["text", "sample", out, "--max-tokens", "5"]) == 0
    config = ModelConfig(base=str(SMALL), lora_rank=2, documents=60, max_steps=2, lora_targets=("up",))
    assert main(config, out=tmp_path / "python", n_written=1).scores[0].model == "gpt2"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--lora-rank", "2"], "needs a base"),
        (["--base", "BASE", "--lora-rank", "-1"], "--lora-rank -1 must be"),
        (["--base", "BASE", "--architecture", "ngram"], "n-grams have none"),
        (["--base", "nowhere"], "the base, is no folder"),
    ],
)
def test_a_tuning_that_cannot_be_is_refused(own, tmp_path, capsys, arguments, problem):
    given = [str(own) if word == "BASE" else word for word in arguments]
    assert command_line(["text", "train", *given, "--out", str(tmp_path / "out")]) == 2
    assert problem in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_ngrams_are_no_base(tmp_path):
    train_text_model(TextModelSettings(architecture="ngram", documents=50), tmp_path / "ngram")
    with pytest.raises(UsageError, match="only a decoder can be fine-tuned"):
        train_text_model(tuned(tmp_path / "ngram"), tmp_path / "out")
