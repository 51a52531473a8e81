"""The C allocator of this process: few pools of freed memory, and the way back to the system for what they hold."""

import ctypes
from collections.abc import Callable

_ARENA_MAX = -8  # M_ARENA_MAX of malloc.h
_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of malloc.h
N_ARENAS = 2
LARGE_BYTES = 128 << 10


def limit_arenas() -> None:
    """Let the threads of this process share two pools of memory; call it before the threads start.

    By default glibc gives each thread a pool of its own, up to eight for each core, and memory that one thread has
    freed is not used by another. A training child with 53 MiB in use held 80 to 100 MiB of freed memory so, now more
    and now less; with two pools it holds 30 to 40 MiB, and an epoch takes as long as before. Other libraries have no
    such pools.

    Source:
        The GNU C Library manual, section 3.2.3.6 (malloc tunable parameters, M_ARENA_MAX).
    """
    if (mallopt := _function("mallopt")) is not None:
        mallopt(_ARENA_MAX, N_ARENAS)


def return_large_blocks() -> None:
    """Let every block of 128 KiB or more go back to the system as soon as it is freed, as in a new process.

    By default glibc takes such blocks from its pools once it has seen one freed, up to 32 MiB. The bytes of a state
    file then lie between documents that stay, and the next file is larger than the hole that they leave: an engine
    held another 28 KiB of freed memory after each round of changes. Where large arrays are computed with, as in a
    training child, each would be mapped anew, so it is left alone there.

    Source:
        The GNU C Library manual, section 3.2.3.6 (M_MMAP_THRESHOLD: setting it ends its dynamic adjustment).
    """
    if (mallopt := _function("mallopt")) is not None:
        mallopt(_MMAP_THRESHOLD, LARGE_BYTES)


def return_memory() -> None:
    """Give freed memory back to the system: glibc keeps freed blocks of a size it has seen."""
    if (trim := _function("malloc_trim")) is not None:
        trim(0)


def _function(name: str) -> Callable[..., int] | None:
    """Return a function of glibc; None in a process with another C library."""
    return getattr(ctypes.CDLL(None), name, None)
