"""Which of the processes of one training this is: those of `--processes`, or those that torchrun has started."""

import os
from collections.abc import Mapping

import msgspec

from core.errors import CoreError, ExitCode, UsageError
from core.escape import shown
from core.typed_numbers import whole_number

MAX_RANKS = 256
_MEETING = "env://"


class RankPlace(msgspec.Struct, frozen=True, kw_only=True):
    """The place of a process in a training.

    Attributes:
        rank: From 0; the first alone writes and reports.
        size: How many processes train together.
        local_rank: From 0 among those on its host; a GPU of the host has that number.
        meeting: Where they meet, as `torch.distributed.init_process_group` names it.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    meeting: str = _MEETING

    @property
    def is_first(self) -> bool:
        """Whether this process writes and reports."""
        return self.rank == 0


ALONE = RankPlace()
"""The place of a process that trains without others."""


class RankLostError(CoreError):
    """Another process of the training has ended, or cannot be reached."""

    exit_code = ExitCode.FAILING


def place_of_environment(environment: Mapping[str, str] = os.environ) -> RankPlace:
    """Return the place that torchrun gave this process; without torchrun it is the only one.

    Raises:
        UsageError: The variables of torchrun are there, and make no sense.
    Source:
        https://docs.pytorch.org/docs/stable/elastic/run.html#environment-variables

    >>> place_of_environment({})
    RankPlace(rank=0, size=1, local_rank=0, meeting='env://')
    >>> given = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "TORCHELASTIC_RUN_ID": "x"}
    >>> place_of_environment(given)
    RankPlace(rank=3, size=4, local_rank=1, meeting='env://')
    """
    if "TORCHELASTIC_RUN_ID" not in environment:
        return RankPlace()
    rank, size, local = (_number(environment, name) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    if not 0 <= local <= rank < size <= MAX_RANKS:
        raise UsageError(
            f"RANK {rank} (LOCAL_RANK {local}) of WORLD_SIZE {size} is no process of at most {MAX_RANKS}; start it by "
            "torchrun."
        )
    return RankPlace(rank=rank, size=size, local_rank=local)


def _number(environment: Mapping[str, str], name: str) -> int:
    value = environment.get(name, "")
    try:
        return whole_number(value)
    except ValueError:
        raise UsageError(f"{name} is {shown(value)} in the environment; torchrun sets it to a whole number.") from None
