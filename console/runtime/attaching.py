"""The near end of a console that runs behind a socket: this terminal, and the one that the console draws on."""

import contextlib
import fcntl
import os
import select
import signal
import socket
import struct
import termios
import tty
from collections.abc import Iterator
from pathlib import Path

import msgspec

from console.runtime.attachment import AttachAnswer, AttachRequest, read_answer, receive_line, send_line
from console.runtime.hangup import MODES_OFF, TERMINATED_EXIT_CODE
from core.errors import RefusedError, UsageError

_ANSWER_SECONDS = 30.0
_FAREWELL_SECONDS = 5.0
_CHUNK = 65_536
_NO_ANSWER = (
    "{path} was closed without an answer: your account has as many consoles there as it may have, or the engine has "
    "just ended."
)


def attach(path: Path, request: AttachRequest) -> int | None:
    """Show the console that an engine opens at its socket, until it ends.

    Args:
        path: The socket.
        request: The terminal of this process, and the console that is wanted.
    Returns:
        The exit code of the console; None if it was killed.
    Raises:
        UsageError: Nobody listens there, or what does is no engine.
        RefusedError: The engine lets this account in no console.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_ANSWER_SECONDS)
        controlling = _console_at(connection, path, request)
        try:
            _show(controlling)
        finally:
            os.close(controlling)
        return _farewell(connection)


def _console_at(connection: socket.socket, path: Path, request: AttachRequest) -> int:
    """Ask for a console; return the controlling side of its terminal."""
    try:
        connection.connect(str(path))
    except OSError as error:
        why = error.strerror or error
        raise UsageError(
            f"No engine lets consoles in at {path}: {why}. Its owner sets console.socket in the settings, and runs "
            "`bondx run --headless`."
        ) from None
    try:
        send_line(connection, request, descriptors=[])
        content, descriptors = receive_line(connection, n_descriptors=1)
        answer = read_answer(content)
    except TimeoutError:
        raise UsageError(f"{path} does not answer within {_ANSWER_SECONDS:.0f} s.") from None
    except ConnectionError:
        raise RefusedError(_NO_ANSWER.format(path=path)) from None
    except ValueError:
        raise UsageError(f"{path} is not the socket of an engine for consoles (console.socket).") from None
    if answer is None:
        raise RefusedError(_NO_ANSWER.format(path=path))
    if answer.refusal:
        raise RefusedError(answer.refusal)
    if len(descriptors) != 1 or not os.isatty(descriptors[0]):
        raise UsageError(f"{path} gives no terminal: it is not the socket of an engine for consoles.")
    return descriptors[0]


def _show(controlling: int) -> None:
    """Pass keys to the console and what it draws to this terminal, until it ends or SIGTERM comes."""
    with _keys_as_typed(), _size_followed(controlling):
        os.set_blocking(controlling, False)
        typed = b""
        while True:
            wanted = [controlling] if typed else [0, controlling]  # no more keys than the console takes
            readable, writable, _ = select.select(wanted, [controlling] if typed else [], [])
            try:
                if writable:
                    typed = typed[os.write(controlling, typed) :]
                if controlling in readable:
                    _write_all(os.read(controlling, _CHUNK))
            except BlockingIOError:
                continue
            except OSError:  # EIO: nobody has the other side open any more
                return
            if 0 in readable and not (typed := os.read(0, _CHUNK)):
                return


def _write_all(drawn: bytes) -> None:
    while drawn:
        drawn = drawn[os.write(1, drawn) :]


@contextlib.contextmanager
def _keys_as_typed() -> Iterator[None]:
    """Within it, this terminal passes every key on as it is; afterwards it is as before, however the console ended."""

    def leave(*_: object) -> None:
        raise SystemExit(TERMINATED_EXIT_CODE)

    modes, earlier = termios.tcgetattr(0), signal.signal(signal.SIGTERM, leave)
    try:
        tty.setraw(0, termios.TCSANOW)
        yield
    except BaseException:
        _write_all(MODES_OFF.encode())
        raise
    finally:
        signal.signal(signal.SIGTERM, earlier)
        termios.tcsetattr(0, termios.TCSANOW, modes)


@contextlib.contextmanager
def _size_followed(controlling: int) -> Iterator[None]:
    """Within it, the terminal of the console has the size of this one."""

    def follow(*_: object) -> None:
        size = os.get_terminal_size(1)
        fcntl.ioctl(controlling, termios.TIOCSWINSZ, struct.pack("4H", size.lines, size.columns, 0, 0))

    earlier = signal.signal(signal.SIGWINCH, follow)
    try:
        follow()
        yield
    finally:
        signal.signal(signal.SIGWINCH, earlier)


def _farewell(connection: socket.socket) -> int | None:
    """Return the exit code of a console that has ended; None if it was killed."""
    connection.settimeout(_FAREWELL_SECONDS)
    try:
        content, _ = receive_line(connection)
        answer = read_answer(content) or AttachAnswer()
    except (OSError, msgspec.DecodeError, ValueError):
        answer = AttachAnswer()
    if answer.exit_code is None:  # nobody has put the terminal in order
        _write_all(MODES_OFF.encode())
    return answer.exit_code
