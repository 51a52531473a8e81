"""What a console that attaches through a socket says of its terminal, and what it is answered.

One line of JSON in each direction. The answer that admits has the controlling side of a new terminal with it, in which
the console already runs as a process of the workspace's account: from then on bytes go between two terminals, and
nothing of ours lies between. At its end the console itself says its exit code in a last line.

Source:
    unix(7), SCM_RIGHTS: a descriptor is passed with the first byte that was sent with it.
"""

import socket
import time
from typing import Annotated

import msgspec
from msgspec import Meta

from core.json_documents import decode_json

PROTOCOL = 1
MOST_BYTES = 65_536
_LEAST_SECONDS = 0.001  # a time of 0 would not wait at all

TerminalWord = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}(?![\s\S])")]


class AttachRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A terminal, and the console that is wanted on it."""

    protocol: int = PROTOCOL
    term: TerminalWord = "dumb"
    has_true_colours: bool = False
    wants_no_colours: bool = False
    speaks_utf8: bool = False
    read_only: bool = False
    theme: TerminalWord | None = None
    mouse: bool | None = None
    keys: Annotated[dict[str, str], Meta(max_length=500)] = {}
    """The person's own keys, by the id of what they do."""


class AttachAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether the console is admitted, or how it ended."""

    refusal: str = ""
    exit_code: int | None = None


def send_line(connection: socket.socket, message: AttachRequest | AttachAnswer, *, descriptors: list[int]) -> None:
    """Send one message, with descriptors.

    Raises:
        OSError: The other end does not take it.
    """
    content = msgspec.json.encode(message) + b"\n"
    n_sent = socket.send_fds(connection, [content], descriptors) if descriptors else 0
    connection.sendall(content[n_sent:])


def receive_line(
    connection: socket.socket, *, n_descriptors: int = 0, within_seconds: float | None = None
) -> tuple[bytes, list[int]]:
    """Receive one line, b"" at the end of the connection, and the descriptors that came with it.

    Args:
        connection: Where it comes from.
        n_descriptors: The most descriptors that are taken.
        within_seconds: The time for the whole line, however many pieces it comes in; None: no limit of our own.
    Raises:
        OSError: Nothing comes in time.
        ValueError: The line is too long.
    """
    content, descriptors = b"", list[int]()
    end = None if within_seconds is None else time.monotonic() + within_seconds
    while not content.endswith(b"\n"):
        if end is not None:
            connection.settimeout(max(_LEAST_SECONDS, end - time.monotonic()))
        chunk, found, _, _ = socket.recv_fds(connection, 4_096, n_descriptors, socket.MSG_CMSG_CLOEXEC)
        descriptors += found
        content += chunk
        if not chunk:
            return b"", descriptors
        if end is not None and time.monotonic() > end:
            raise TimeoutError(f"no line within {within_seconds:g} s")
        if len(content) > MOST_BYTES:
            raise ValueError(f"a line of more than {MOST_BYTES:,} bytes")
    return content, descriptors


def read_answer(content: bytes) -> AttachAnswer | None:
    """Read an answer; None for the end of the connection.

    Raises:
        msgspec.DecodeError: It is none.
    """
    return decode_json(content, AttachAnswer) if content else None
