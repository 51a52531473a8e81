"""A worker process of this machine: `python -m core.executors.worker IN OUT PARENT`.

It answers one task after another until its pipe ends, and never outlives the thread that started it.
"""

import os
import sys
from typing import BinaryIO

from core.allocator import limit_arenas
from core.executors.bench import Bench
from core.executors.packing import packed, unpacked
from core.own_python import die_with_parent

_LENGTH = 8
ANSWER, NEEDS_SHARED = b"a", b"s"
"""The first byte of a reply: an answer, or the request for what the tasks share."""


def main(arguments: list[str]) -> int:
    """Answer tasks until the pipe ends."""
    requests_fd, replies_fd, parent_pid = map(int, arguments)
    die_with_parent(parent_pid)
    limit_arenas()
    bench = Bench()
    with os.fdopen(requests_fd, "rb") as requests, os.fdopen(replies_fd, "wb") as replies:
        while (message := read_message(requests)) is not None:
            request = unpacked(message)
            shared = request["shared"]
            if shared is None and not bench.has(request["key"]):
                write_message(replies, NEEDS_SHARED)
                continue
            answer = bench.answer(request["key"], request["work"], shared, request["task"])
            write_message(replies, ANSWER + answer)
    return 0


def request_of(key: str, work: str, shared: bytes | None, task: bytes) -> bytes:
    """Write a request for a worker."""
    return packed({"key": key, "work": work, "shared": shared, "task": task})


def write_message(stream: BinaryIO, message: bytes) -> None:
    """Write one message immediately.

    Raises:
        OSError: The other end of the pipe is closed.
    """
    stream.write(len(message).to_bytes(_LENGTH, "big"))
    stream.write(message)
    stream.flush()


def read_message(stream: BinaryIO) -> bytes | None:
    """Read one message; None when the other end is closed, in the middle of a message or after one."""
    size = stream.read(_LENGTH)
    if len(size) < _LENGTH:
        return None
    n_bytes = int.from_bytes(size, "big")
    message = stream.read(n_bytes)
    return message if len(message) == n_bytes else None


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # LightGBM's threads have nothing to clean up that is worth waiting for
