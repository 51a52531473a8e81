"""What computes the steps of a training: the CPU or a GPU, in which precision, and compiled or not.

Source:
    Kalamkar et al., A Study of BFLOAT16 for Deep Learning Training, 2019 (arXiv 1905.12322); Ansel et al., PyTorch 2,
    ASPLOS 2024.
"""

import os
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from core.errors import UsageError
from core.settings.text_model import TextModelSettings
from core.text.neural.decoder import Decoder
from core.text.neural.gpt2 import Gpt2
from core.text.ranks import RankPlace

_PROGRAMS = "TORCHINDUCTOR_CACHE_DIR"
_COMPILER = {"compile_threads": 1}  # no pool of processes


def training_device(settings: TextModelSettings, place: RankPlace) -> torch.device:
    """Return what this process trains on; each process of a host takes a GPU of its own.

    Raises:
        UsageError: The settings ask for a GPU, and there is none, or none for this process.
    """
    has_gpu = settings.device != "cpu" and torch.cuda.is_available()
    if settings.device == "cuda" and not has_gpu:
        raise UsageError(
            f"text_model.device is cuda, and torch {torch.__version__} finds no GPU here. Install its driver and a "
            "build of torch for it, or set device to cpu or auto."
        )
    if not has_gpu:
        return torch.device("cpu")
    n_gpus = torch.cuda.device_count()
    if place.local_rank >= n_gpus:
        raise UsageError(
            f"Each process needs a GPU of its own, and torch finds {n_gpus} here: start at most {n_gpus} on this host, "
            "or set text_model.device to cpu."
        )
    return torch.device("cuda", place.local_rank)


@contextmanager
def own_random_stream(device: torch.device) -> Iterator[None]:
    """Give back torch's random streams, that of the device too, as they were."""
    with torch.random.fork_rng(devices=[] if device.type == "cpu" else [device]):
        yield


class StepComputer:
    """Computes the logits of training steps.

    In mixed precision products are of bfloat16, which has the range of float32, so that losses need no scale; weights,
    gradients and what the optimizers keep have 32 bits.
    """

    def __init__(self, decoder: Decoder | Gpt2, settings: TextModelSettings, device: torch.device) -> None:
        """Take what is trained, and where it is."""
        self._device, self._settings = device, settings
        self._forward = decoder
        if settings.compile:
            self._programs = tempfile.TemporaryDirectory(prefix="bondx-compiled-", ignore_cleanup_errors=True)
            weakref.finalize(self, self._programs.cleanup)
            with self._private_programs():
                self._forward = torch.compile(decoder, dynamic=True, options=_COMPILER)  # batches differ in length
                _forget_earlier_programs()

    def logits(self, tokens: Tensor) -> Tensor:
        """Return the logits, of 32 bits, of tokens of shape (n, length)."""
        if not self._settings.mixed_precision:
            logits: Tensor = self._forward(tokens)[0]
            return logits
        with torch.autocast(self._device.type, torch.bfloat16):
            logits = self._forward(tokens)[0]
        return logits.float()

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Compute a step, there and back.

        Raises:
            UsageError: The memory of a GPU does not suffice, or the decoder cannot be compiled.
        """
        try:
            with self._private_programs():
                yield
        except torch.OutOfMemoryError as error:
            raise UsageError(
                f"The memory of the GPU does not suffice for a step ({_first_line(error)}). Compute it in parts "
                "(text_model.accumulation), set gradient_checkpointing to true, or lower batch_size."
            ) from error
        except RuntimeError as error:
            if not self._settings.compile or not _is_of_compiler(error):
                raise
            raise UsageError(
                f"text_model.compile is true, and torch cannot compile the decoder here ({_first_line(error)}). "
                "Install a C++ compiler, or set compile to false."
            ) from error

    @contextmanager
    def _private_programs(self) -> Iterator[None]:
        """Compile into a new folder of this training: torch unpickles what it finds in its own one, below /tmp."""
        if not self._settings.compile:
            yield
            return
        before = os.environ.get(_PROGRAMS)
        os.environ[_PROGRAMS] = self._programs.name
        try:
            yield
        finally:
            del os.environ[_PROGRAMS]
            if before is not None:
                os.environ[_PROGRAMS] = before


def _forget_earlier_programs() -> None:
    """Let torch write anew what lay in the folder of an earlier training of this process."""
    from torch._inductor.utils import clear_caches  # heavy imports, which compiling needs anyway

    clear_caches()


def _is_of_compiler(error: RuntimeError) -> bool:
    from torch._dynamo.exc import TorchDynamoException

    return isinstance(error, TorchDynamoException)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
