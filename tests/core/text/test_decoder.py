"""The decoder: gradients, caches, weights, training to the same bytes after a kill, and a loss below the bigram's.

They need the extra `text`; `make interop` runs them where it is installed.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from core.errors import UsageError  # noqa: E402
from core.settings.text_model import TextModelSettings  # noqa: E402
from core.text.gpt2_shape import Gpt2Shape  # noqa: E402
from core.text.model_folder import ModelFolder  # noqa: E402
from core.text.neural import training  # noqa: E402
from core.text.neural.batches import epoch_order, rows_of  # noqa: E402
from core.text.neural.decoder import Decoder, rotary_angles, rotated  # noqa: E402
from core.text.neural.gpt2 import Gpt2  # noqa: E402
from core.text.neural.optimizers import Optimizers  # noqa: E402
from core.text.neural.weights import DecoderModel, WeightsError, open_decoder, spell_weights, token_losses  # noqa: E402
from core.text.training import judge_folder, train_text_model  # noqa: E402

TINY = TextModelSettings(
    architecture="decoder", embedding_dim=16, hidden_dim=24, num_heads=2, num_layers=2, max_length=24, dropout=0.0
)
N = 40
TRAINED = TextModelSettings(
    architecture="decoder", documents=300, judged_documents=40, embedding_dim=16, hidden_dim=32, num_heads=2,
    num_layers=2, max_length=128, batch_size=8, max_steps=24, evaluation_steps=6, checkpoint_steps=5, warmup_steps=4,
    learning_rate=0.01, dropout=0.1, accumulation=2,
)  # fmt: skip


BY_MUON = msgspec.structs.replace(TRAINED, optimizer="muon")
SHAPE = Gpt2Shape(vocab_size=N, n_positions=24, n_embd=16, n_layer=2, n_head=2)


@pytest.fixture
def decoder() -> Decoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return Decoder(TINY, N)


def documents(n: int = 6, longest: int = 20) -> list[list[int]]:
    rng = np.random.default_rng(2)
    return [rng.integers(1, N, size=rng.integers(0, longest)).tolist() for _ in range(n)]


def test_gradients_are_those_of_finite_differences(decoder):
    decoder = decoder.double().eval()
    tokens, targets = torch.tensor([[0, 3, 7, 9], [0, 5, 5, 0]]), torch.tensor([[3, 7, 9, 0], [5, 5, 0, -100]])

    def loss():
        return token_losses(decoder(tokens)[0], targets).sum()

    loss().backward()
    rng = np.random.default_rng(3)
    for weight in decoder.parameters():
        for place in rng.integers(0, weight.numel(), size=4).tolist():
            flat, step = weight.data.view(-1), 1e-6
            before = float(flat[place])
            losses = []
            for moved in (before + step, before - step):
                flat[place] = moved
                losses.append(float(loss().detach()))
            flat[place] = before
            assert float(weight.grad.view(-1)[place]) == pytest.approx((losses[0] - losses[1]) / (2 * step), abs=2e-7)


def test_what_is_kept_of_earlier_tokens_changes_nothing(decoder):
    model = DecoderModel(decoder)
    for document in documents():
        going, nats = model.begin(), 0.0
        for token in [*document, 0]:
            logs = going.next_log_probabilities()
            assert np.exp(logs).sum() == pytest.approx(1.0)
            nats -= logs[token]
            going.take([token])
        assert model.document_nats([document])[0] == pytest.approx(nats, rel=1e-5)


def test_a_document_weighs_the_same_beside_any_others(decoder):
    model, several = DecoderModel(decoder), documents(30)
    together = model.document_nats(several)
    assert together == pytest.approx([float(model.document_nats([each])[0]) for each in several], rel=1e-5)


def test_a_token_depends_on_none_after_it(decoder):
    decoder.eval()
    first, second = torch.tensor([[0, 4, 8, 2, 2]]), torch.tensor([[0, 4, 8, 9, 1]])
    assert torch.allclose(decoder(first)[0][:, :3], decoder(second)[0][:, :3], atol=1e-6)
    assert not torch.allclose(decoder(first)[0][:, 3], decoder(second)[0][:, 3], atol=1e-6)


def test_rotated_products_depend_on_the_distance_alone():
    angles = rotary_angles(8, 64)
    rotation = (angles.cos(), angles.sin())
    query, key = torch.randn(8, generator=torch.Generator().manual_seed(1)), torch.ones(8)
    queries, keys = rotated(query.expand(64, 8), rotation), rotated(key.expand(64, 8), rotation)
    products = queries @ keys.T
    for distance in (0, 1, 7):
        along = torch.diagonal(products, distance)
        assert torch.allclose(along, along[:1].expand_as(along), atol=1e-4)


def test_a_text_longer_than_the_longest_document_goes_on(decoder):
    model, long = DecoderModel(decoder), [[1 + n % 30 for n in range(100)]]
    going = model.begin()
    going.take(long[0])
    assert np.exp(going.next_log_probabilities()).sum() == pytest.approx(1.0)
    assert len(rows_of(long, TINY.max_length)) == 5
    assert np.isfinite(model.document_nats(long)).all()


def test_every_row_is_in_one_batch_of_an_epoch_and_each_epoch_has_its_order():
    lengths = np.random.default_rng(1).integers(3, 60, size=103)
    orders = [epoch_order(lengths, 8, seed=1, epoch=epoch) for epoch in (0, 0, 1)]
    for order in orders:
        assert sorted(np.concatenate(order).tolist()) == list(range(103))
        assert sorted(map(len, order)) == [7] + [8] * 12
    first, again, second = (np.concatenate(order).tolist() for order in orders)
    assert first == again != second


@pytest.mark.parametrize("damage", ["empty", "text", "other", "missing", "infinite"])
def test_weights_that_do_not_fit_are_refused(decoder, damage):
    weights = dict(decoder.state_dict())
    match damage:
        case "empty":
            content = b""
        case "text":
            content = b"\x80\x04K\x01." * 20
        case "other":
            content = spell_weights({"embedding.weight": torch.zeros(3, 3)})
        case "missing":
            content = spell_weights({name: weight for name, weight in weights.items() if "norm" not in name})
        case _:
            content = spell_weights(weights | {"norm.weight": torch.full((16,), torch.inf)})
    with pytest.raises(WeightsError, match="weights"):
        open_decoder(content, TINY, N, "weights.safetensors")
    assert open_decoder(spell_weights(weights), TINY, N, "w").n_weights == sum(map(torch.numel, weights.values()))


@pytest.mark.parametrize("after", [1, 2, 4])
def test_a_killed_training_goes_on_to_the_same_bytes(tmp_path, after, whole):
    goes_on_to_the_bytes_of(whole, TRAINED, tmp_path / "model", after)


def test_a_killed_training_by_muon_goes_on_to_the_same_bytes(tmp_path):
    trained_by_one_thread(BY_MUON, tmp_path / "whole")
    goes_on_to_the_bytes_of(tmp_path / "whole", BY_MUON, tmp_path / "model", 2)


def test_a_checkpoint_of_another_optimizer_is_refused(tmp_path):
    class EndedError(Exception):
        pass

    def end(progress):
        if progress.step >= 12:
            raise EndedError

    with pytest.raises(EndedError):
        train_text_model(TRAINED, tmp_path, report=end)
    found = json.loads((tmp_path / "model.json").read_text())
    found["settings"]["optimizer"] = "muon"
    (tmp_path / "model.json").write_text(json.dumps(found))
    with pytest.raises(UsageError, match=r"Remove it to begin anew|other settings"):
        train_text_model(BY_MUON, tmp_path)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("base", ["decoder", "gpt2"])
def test_what_is_computed_twice_has_the_same_gradients(base):
    def gradients(*, recomputes: bool) -> list[torch.Tensor]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            made = Decoder(msgspec.structs.replace(TINY, dropout=0.2), N) if base == "decoder" else Gpt2(SHAPE, 0.2)
            made.train()
            made.recomputes = recomputes
            logits, _ = made(torch.arange(1, 13).view(2, 6))
            logits.square().sum().backward()
            return [weight.grad for weight in made.parameters()]

    kept, twice = gradients(recomputes=False), gradients(recomputes=True)
    assert all(gradient.abs().sum() > 0 for gradient in kept)
    assert all(torch.equal(one, other) for one, other in zip(kept, twice, strict=True))


def test_a_training_that_computes_activations_twice_makes_the_same_model(tmp_path, whole):
    trained_by_one_thread(msgspec.structs.replace(TRAINED, gradient_checkpointing=True), tmp_path / "twice")
    assert (tmp_path / "twice" / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()


def test_muon_moves_matrices_alone_and_every_update_has_the_size_that_adamw_gives_it(decoder):
    settings = msgspec.structs.replace(TINY, optimizer="muon", learning_rate=0.01, weight_decay=0.0)
    before = {name: weight.detach().clone() for name, weight in decoder.named_parameters()}
    optimizers = Optimizers(settings, dict(decoder.named_parameters()))
    optimizers.begin(0.01)
    logits, _ = decoder(torch.arange(1, 13).view(2, 6))
    logits.square().sum().backward()
    optimizers.step()
    for name, weight in decoder.named_parameters():
        moved = (weight - before[name]).detach()
        if weight.dim() > 1 and name != "embedding.weight":
            # All singular values of an update are about 1, times .2 of the root of the larger side (arXiv 2502.16982).
            assert torch.linalg.matrix_norm(moved, 2) <= 1.3 * 0.01 * 0.2 * max(moved.shape) ** 0.5, name
            assert moved.square().mean().sqrt() == pytest.approx(0.002, rel=0.3), name
        else:
            assert moved.abs().max() == pytest.approx(0.01, rel=1e-3), name
    parts = {name.partition(".")[0] for name in optimizers.kept()}
    assert parts == {"first_moment", "second_moment", "momentum"}


def goes_on_to_the_bytes_of(whole: Path, trained: TextModelSettings, out: Path, after: int) -> None:
    program = (
        "import os, signal, sys\n"
        "import core.text.neural.training as training\n"
        "from core.text.training import train_text_model\n"
        "from pathlib import Path\n"
        "import json\n"
        "from core.json_documents import converted\n"
        "from core.settings.text_model import TextModelSettings\n"
        "write, left = training.write_file, [int(sys.argv[3])]\n"
        "def dies(path, content):\n"
        "    write(path, content)\n"
        "    left[0] -= 1\n"
        "    if not left[0]:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "training.write_file = dies\n"
        "train_text_model(converted(json.loads(sys.argv[2]), TextModelSettings), Path(sys.argv[1]))\n"
    )
    settings = msgspec.json.encode(trained).decode()
    child = subprocess.run([sys.executable, "-c", program, str(out), settings, str(after)], env=os.environ | ONE_THREAD)
    assert child.returncode == -signal.SIGKILL
    assert (out / "checkpoint.safetensors").exists()
    assert not (out / "weights.safetensors").exists()
    done = subprocess.run([sys.executable, "-c", program, str(out), settings, "1000"], env=os.environ | ONE_THREAD)
    assert done.returncode == 0
    made = {file.name: file for file in out.iterdir()}
    del made["speed.json"]  # the tokens a second, which no two trainings have alike
    assert sorted(made) == ["model.json", "tokenizer.json", "weights.safetensors"]
    for file in made.values():
        assert file.read_bytes() == (whole / file.name).read_bytes()


ONE_THREAD = {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "model"
    trained_by_one_thread(TRAINED, path)
    return path


def trained_by_one_thread(settings: TextModelSettings, path: Path) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    train_text_model(settings, path)
    torch.set_num_threads(threads)


def test_a_training_says_how_it_goes_and_ends_early_without_a_better_loss(tmp_path):
    told = []
    settings = msgspec.structs.replace(TRAINED, learning_rate=1e-12, patience=2, max_steps=60)
    made = train_text_model(settings, tmp_path / "model", report=told.append)
    assert len(made.curve) == len(told) < 10
    assert [each.is_best for each in told[-2:]] == [False, False]
    assert told[0].n_steps == 60
    assert told[0].excess == pytest.approx(told[0].validation_nats - made.floor_nats)


def test_a_damaged_checkpoint_is_refused_and_says_the_cure(tmp_path, whole):
    manifest = json.loads((whole / "model.json").read_text()) | {"weights_sha256": "", "curve": []}
    (tmp_path / "model.json").write_text(json.dumps(manifest))
    (tmp_path / "tokenizer.json").write_bytes((whole / "tokenizer.json").read_bytes())
    (tmp_path / "checkpoint.safetensors").write_bytes(b"nonsense")
    with pytest.raises(WeightsError, match="Remove it to begin anew"):
        train_text_model(TRAINED, tmp_path)


def test_a_training_that_diverges_is_ended_with_its_step(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "token_losses", lambda *given: token_losses(*given) * torch.nan)
    with pytest.raises(UsageError, match=r"The loss of step 1 is nan: training has diverged"):
        train_text_model(TRAINED, tmp_path / "model")


def test_a_minutes_training_is_better_than_the_bigram(tmp_path):
    settings = TextModelSettings(
        architecture="decoder", documents=3_000, judged_documents=150, embedding_dim=64, hidden_dim=128, num_heads=4,
        num_layers=2, max_length=128, max_steps=260, evaluation_steps=130, warmup_steps=30, learning_rate=0.006,
        dropout=0.0, schedule="linear",
    )  # fmt: skip
    train_text_model(settings, tmp_path / "model")
    report = judge_folder(tmp_path / "model", n_written=5)
    scores = {score.model: score.nats_a_token for score in report.scores}
    assert report.floor_nats < scores["decoder"] < scores["bigram"]
    assert ModelFolder(tmp_path / "model").manifest().floor_nats < scores["decoder"]
