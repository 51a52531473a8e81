"""Where a decoder trains: a GPU (pretended), in mixed precision, compiled; and what is said where that cannot be.

They need the extra `text`; `make interop` runs them where it is installed.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from core.errors import UsageError  # noqa: E402
from core.settings.text_model import TextModelSettings  # noqa: E402
from core.text.neural.devices import training_device  # noqa: E402
from core.text.neural.training import DecoderTraining  # noqa: E402
from core.text.prepared import prepare_text  # noqa: E402
from core.text.ranks import ALONE, RankPlace  # noqa: E402
from core.text.training import train_text_model  # noqa: E402

TINY = TextModelSettings(
    architecture="decoder", documents=200, judged_documents=20, embedding_dim=16, hidden_dim=32, num_heads=2,
    num_layers=1, max_length=128, batch_size=8, max_steps=12, evaluation_steps=6, warmup_steps=2, learning_rate=0.01,
)  # fmt: skip
MIXED = msgspec.structs.replace(TINY, mixed_precision=True)
COMPILED = msgspec.structs.replace(TINY, compile=True, dropout=0.0)
HAS_COMPILER = any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "clang++"))


def trained(settings: TextModelSettings) -> DecoderTraining:
    training = DecoderTraining(prepare_text(settings))
    while not training.is_over:
        training.step()
    return training


def trained_with_a_break(settings: TextModelSettings, checkpoint: Path) -> DecoderTraining:
    training = DecoderTraining(prepare_text(settings))
    while training.n_done < 7:
        training.step()
    training.save(checkpoint)
    other = DecoderTraining(prepare_text(settings))
    other.resume(checkpoint)
    while not other.is_over:
        other.step()
    return other


@pytest.fixture
def has_gpus(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.fixture
def pretended_gpu(monkeypatch) -> torch.device:
    """Train on torch's `meta`: tensors have a device and a shape, and cannot be mixed with those of the CPU."""
    device = torch.device("meta")
    monkeypatch.setattr("core.text.neural.training.training_device", lambda settings, place: device)
    monkeypatch.setattr(torch.Tensor, "item", lambda tensor: 1.0)
    monkeypatch.setattr(torch.Tensor, "cpu", lambda tensor: tensor)
    monkeypatch.setattr(torch.Tensor, "numpy", lambda tensor: np.ones(tuple(tensor.shape)))
    return device


@pytest.fixture
def nothing_compiled() -> Iterator[None]:
    """Let torch compile what it has compiled in this process already."""
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def test_the_cpu_trains_unless_the_settings_say_otherwise(has_gpus):
    assert training_device(TINY, ALONE) == torch.device("cpu")
    for device in ("cuda", "auto"):
        settings = msgspec.structs.replace(TINY, device=device)
        assert training_device(settings, ALONE) == torch.device("cuda", 0)
        assert training_device(settings, RankPlace(rank=3, size=4, local_rank=1)) == torch.device("cuda", 1)
        with pytest.raises(UsageError, match="torch finds 2 here: start at most 2 on this host"):
            training_device(settings, RankPlace(rank=2, size=4, local_rank=2))


def test_without_a_gpu_auto_is_the_cpu_and_cuda_is_refused_before_anything_is_written(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert training_device(msgspec.structs.replace(TINY, device="auto"), ALONE) == torch.device("cpu")
    with pytest.raises(UsageError, match=r"text_model\.device is cuda, .* finds no GPU here"):
        train_text_model(msgspec.structs.replace(TINY, device="cuda"), tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("change", [{}, {"optimizer": "muon", "accumulation": 2}, {"gradient_checkpointing": True}])
def test_a_step_on_a_gpu_mixes_no_devices(change, pretended_gpu):
    training = DecoderTraining(prepare_text(msgspec.structs.replace(TINY, dropout=0.1, **change)))
    training.step()
    model = training.model()
    weights = dict(model.decoder.named_parameters())
    kept = training._optimizers.kept()
    assert {each.device for each in (*weights.values(), *kept.values())} == {pretended_gpu}
    assert {weight.grad.device for weight in weights.values()} == {pretended_gpu}
    model.document_nats([[1, 2, 3]])
    model.begin().take([1, 2])
    on_cpu = {name: torch.zeros(tensor.shape) for name, tensor in kept.items()}
    assert training._optimizers.resume(on_cpu, 1) is None
    assert {tensor.device for tensor in training._optimizers.kept().values()} == {pretended_gpu}
    training.step()


@pytest.mark.usefixtures("one_thread")
def test_mixed_precision_learns_alike_and_goes_on_to_the_same_bytes(tmp_path):
    whole, mixed = trained(TINY), trained(MIXED)
    assert mixed.weights() != whole.weights()
    assert [point.validation_nats for point in mixed.curve] == pytest.approx(
        [point.validation_nats for point in whole.curve], abs=0.01
    )
    assert {weight.dtype for weight in mixed.model().decoder.parameters()} == {torch.float32}
    assert trained_with_a_break(MIXED, tmp_path / "checkpoint").weights() == mixed.weights()


@pytest.mark.journey  # torch compiles for half a minute
@pytest.mark.skipif(not HAS_COMPILER, reason="torch compiles with a C++ compiler")
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
@pytest.mark.usefixtures("one_thread", "nothing_compiled")
def test_a_compiled_decoder_learns_alike_and_its_programs_are_private(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    compiled = DecoderTraining(prepare_text(COMPILED))
    compiled.step()
    (programs,) = tmp_path.glob("bondx-compiled-*")
    assert list(programs.rglob("*.so"))
    assert programs.stat().st_mode & 0o077 == 0
    assert os.environ.get("TORCHINDUCTOR_CACHE_DIR") != str(programs)
    while not compiled.is_over:
        compiled.step()
    whole = trained(msgspec.structs.replace(COMPILED, compile=False))
    assert [point.validation_nats for point in compiled.curve] == pytest.approx(
        [point.validation_nats for point in whole.curve], abs=1e-3
    )
    del compiled
    assert not programs.exists()
    torch._dynamo.reset()
    DecoderTraining(prepare_text(COMPILED)).step()  # another one of this process compiles into another folder
    assert not list(tmp_path.glob("bondx-compiled-*"))


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
@pytest.mark.journey
@pytest.mark.usefixtures("nothing_compiled")
def test_what_cannot_be_compiled_is_said(monkeypatch):
    monkeypatch.setenv("CXX", "/nowhere/g++")
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", ("/nowhere/g++",))
    with pytest.raises(UsageError, match=r"text_model\.compile is true, and torch cannot compile the decoder here"):
        trained(COMPILED)


def test_a_gpu_without_memory_for_a_step_names_what_saves_some(monkeypatch):
    training = DecoderTraining(prepare_text(TINY))

    def full(tokens):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(training._computer, "logits", full)
    with pytest.raises(UsageError, match=r"Tried to allocate 2\.00 GiB\)\. Compute it in parts"):
        training.step()
