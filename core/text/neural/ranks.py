"""Training in several processes: each learns from its share of a step's documents, and gradients are summed.

All processes hold the same weights. The sum of their gradients is the gradient of the whole batch, whatever the number
of tokens that each has, so a step is that of one process, but for the order in which numbers are added.

Source:
    Li et al., PyTorch Distributed: Experiences on Accelerating Data Parallel Training, VLDB 2020.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, distributed

from core.arrays import IntArray
from core.errors import UsageError
from core.files import write_file
from core.plain_files import read_file
from core.text.ranks import ALONE, RankLostError, RankPlace

PATIENCE = timedelta(minutes=30)
"""How long a process waits for the others, of which the first may be weighing documents meanwhile."""


class TrainingRanks:
    """The processes of one training, as one of them sees them."""

    def __init__(self, place: RankPlace = ALONE) -> None:
        """Take the place of this process; more than one must have been joined before."""
        self.place = place

    @property
    def are_several(self) -> bool:
        """Whether there are others."""
        return self.place.size > 1

    def share(self, n: int) -> IntArray:
        """Return the places among `n` documents that are those of this process; some may have none."""
        return np.array_split(np.arange(n), self.place.size)[self.place.rank]

    def sum_gradients(self, weights: Mapping[str, Tensor], nats: float) -> float:
        """Replace the gradients of each process by their sum, and return the sum of their losses."""
        if not self.are_several:
            return nats
        parts = [torch.zeros_like(each) if each.grad is None else each.grad for each in weights.values()]
        flat = torch.cat([part.reshape(-1) for part in parts])
        total = torch.tensor([nats], dtype=torch.float64)
        with _lost_is_told():
            distributed.all_reduce(flat)
            distributed.all_reduce(total)
        at = 0
        for weight in weights.values():
            weight.grad = flat[at : at + weight.numel()].view_as(weight)
            at += weight.numel()
        return float(total)

    def of_first(self, compute: Callable[[], float]) -> float:
        """Return a number that the first process computes."""
        if not self.are_several:
            return compute()
        found = torch.tensor([compute() if self.place.is_first else 0.0], dtype=torch.float64)
        with _lost_is_told():
            distributed.broadcast(found, 0)
        return float(found)

    def require_same(self, content: bytes) -> None:
        """Require that all processes begin alike.

        Args:
            content: What must be the same in all of them, at most a few hundred bytes.
        Raises:
            UsageError: This process differs from the first one.
        """
        if self.are_several and self._bytes_of_first(content) != content:
            raise UsageError(
                f"Process {self.place.rank} begins with other documents, settings, weights or another release of torch "
                "than process 0. Give all hosts the same files and the same environment."
            )

    def resume_alike(self, checkpoint: Path, resume: Callable[[Path], None]) -> None:
        """Resume where the first process finds a checkpoint: the others may be on hosts without its folder."""
        if not self.are_several:
            if checkpoint.exists():
                resume(checkpoint)
            return
        found = read_file(checkpoint) if self.place.is_first and checkpoint.exists() else b""
        content = self._bytes_of_first(found)
        if not content:
            return
        with tempfile.TemporaryDirectory(prefix="bondx-rank-") as place:
            copy = checkpoint if self.place.is_first else Path(place) / checkpoint.name
            if not self.place.is_first:
                write_file(copy, content, durable=False)
            resume(copy)

    def _bytes_of_first(self, content: bytes) -> bytes:
        """Return what the first process has; as numbers, since objects would be pickled."""
        with _lost_is_told():
            size = torch.tensor([len(content)], dtype=torch.int64)
            distributed.broadcast(size, 0)
            found = torch.zeros(int(size), dtype=torch.uint8)
            if self.place.is_first:
                found = torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else found
            if len(found):
                distributed.broadcast(found, 0)
        return bytes(found.numpy())


@contextmanager
def joined(place: RankPlace, device: torch.device) -> Iterator[TrainingRanks]:
    """Meet the other processes of the training.

    Args:
        place: That of this process.
        device: Where its gradients are; those of GPUs meet by NCCL, all else by gloo.
    Raises:
        RankLostError: They do not come, or one has left.
    """
    if place.size == 1:
        yield TrainingRanks(place)
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)  # where NCCL works
    with _lost_is_told():
        distributed.init_process_group(
            "gloo" if device.type == "cpu" else "cpu:gloo,cuda:nccl",
            init_method=place.meeting,
            rank=place.rank,
            world_size=place.size,
            timeout=PATIENCE,
        )
    try:
        yield TrainingRanks(place)
    finally:
        distributed.destroy_process_group()


@contextmanager
def _lost_is_told() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError) as error:  # gloo has no error of its own
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RankLostError(
            f"Another process of this training has ended, or cannot be reached ({reason}). Give the same command "
            "again: training goes on from its last checkpoint."
        ) from error
