"""HTTP/2 as it is on the wire, for callers that no library would write."""

import socket
import struct
from typing import Self

from tests.waiting import PATIENCE_SECONDS

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
_END_STREAM, _END_HEADERS = 1, 4
_NO_TABLE = struct.pack(">HI", 1, 0)  # the server repeats each name of a header in full


def frame(kind: int, flags: int, stream: int, content: bytes = b"") -> bytes:
    return struct.pack(">I", len(content))[1:] + struct.pack(">BBI", kind, flags, stream) + content


def _field(name: bytes, value: bytes) -> bytes:
    """A literal that no table holds."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


class Wire:
    """One connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
        self._socket.sendall(_PREFACE + frame(SETTINGS, 0, 0, _NO_TABLE))
        self._got = b""
        self._ended: dict[int, tuple[int, str]] = {}  # by stream, not asked for yet
        self._stream = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def call(self, path: bytes, *fields: tuple[bytes, bytes], is_whole: bool = False) -> int:
        """Begin a call, and return its stream; a whole one has an empty message."""
        self._stream += 2
        given = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"x")]
        given += [(b"content-type", b"application/grpc"), (b"te", b"trailers"), *fields]
        self.send(frame(HEADERS, _END_HEADERS, self._stream, b"".join(_field(*each) for each in given)))
        if is_whole:
            self.end_with_message(self._stream)
        return self._stream

    def end_with_message(self, stream: int) -> None:
        """Send an empty message as the last of a call."""
        self.send(frame(DATA, _END_STREAM, stream, bytes(5)))

    def begin_message(self, stream: int, size: int, part: bytes) -> None:
        """Send the first bytes of a message that says it is longer."""
        self.send(frame(DATA, 0, stream, b"\0" + size.to_bytes(4, "big") + part))

    def send(self, content: bytes) -> None:
        self._socket.sendall(content)

    def status_of(self, stream: int) -> tuple[int, str]:
        """Wait for the end of a call, whichever calls end before it; return its status, and the message beside."""
        while stream not in self._ended:
            kind, _flags, found, content = self.next_frame()
            if kind == HEADERS and b"grpc-status" in content:
                self._ended[found] = int(_value(content, b"grpc-status")), _value(content, b"grpc-message")
        return self._ended.pop(stream)

    def next_frame(self) -> tuple[int, int, int, bytes]:
        """Return kind, flags, stream and content.

        Raises:
            ConnectionError: The server has closed.
        """
        head = self._take(9)
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        return kind, flags, stream, self._take(int.from_bytes(head[:3], "big"))

    def is_closed(self) -> bool:
        """Whether the server has closed the connection by now, whatever it sent before."""
        self._socket.setblocking(False)
        try:
            while self._socket.recv(1 << 16):
                pass
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            self._socket.settimeout(PATIENCE_SECONDS)
        return True

    def _take(self, n: int) -> bytes:
        while len(self._got) < n:
            if not (more := self._socket.recv(1 << 16)):
                raise ConnectionError("closed")
            self._got += more
        taken, self._got = self._got[:n], self._got[n:]
        return taken


def _value(block: bytes, name: bytes) -> str:
    """Read a field of headers as gRPC's server writes it: a literal, never compressed; empty if there is none."""
    at = block.find(name)
    if at < 0:
        return ""
    at += len(name)
    return block[at + 1 : at + 1 + block[at]].decode(errors="replace")
