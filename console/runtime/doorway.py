"""The door of an engine for consoles of other accounts: each runs as a process of this account, in its own terminal.

The files of a workspace belong to one account. A console of another account is therefore a process of this account that
acts for that one, whom the kernel names at the socket, and that neither reads nor writes a file that a person names.
"""

import contextlib
import logging
import os
import pty
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from console.runtime.attachment import PROTOCOL, AttachAnswer, AttachRequest, receive_line, send_line
from console.runtime.preferences import preferences_file, write_keys
from core.access.peers import account_at, listen_for_accounts
from core.errors import CoreError, RefusedError, UsageError
from core.governance.attached_consoles import ConsoleAdmission
from core.home_paths import at_home
from core.json_documents import decode_json
from core.own_python import module_command

if TYPE_CHECKING:
    from core.settings.console import ConsoleSettings
    from core.state import Workspace

MOST_CONSOLES = 16
MOST_OF_AN_ACCOUNT = 4
"""The consoles that may be attached at once, in all and of one account: each takes about 100 MB."""
MOST_A_MINUTE = 20  # of an account, admitted or not
MOST_REFUSALS_A_MINUTE = 200
"""Of accounts that may have no console, together: each is a record, and one account can have thousands of others."""
_MOST_CALLERS = 64  # of all accounts together, who have not said yet what they want
_GREETING_SECONDS = 5.0
_A_MINUTE = 60.0
_PAUSE_SECONDS = 1.0
_OF_A_TERMINAL = ("COLORTERM", "COLUMNS", "DISPLAY", "LANG", "LANGUAGE", "LINES", "NO_COLOR", "STY", "TERM", "TMUX")
_PREFIXES_OF_A_TERMINAL = ("LC_", "SSH_", "TERM_", "TEXTUAL", "WAYLAND_", "XDG_")
log = logging.getLogger("core.engine.doorway")  # in the log of the engine, which keeps the door


class Doorway:
    """Listens for consoles of other accounts, and starts them, until it is closed; those that run go on."""

    def __init__(self, workspace: "Workspace", path: Path) -> None:
        """Prepare; nothing listens yet.

        Args:
            workspace: The workspace.
            path: The socket.
        """
        self._workspace = workspace
        self._path = path
        self._listener: socket.socket | None = None
        self._counted = threading.Lock()
        self._callers: dict[socket.socket, str] = {}  # who has said nothing yet, the oldest first
        self._consoles: Counter[str] = Counter()
        self._asked: dict[str, list[float]] = {}
        self._refused: list[float] = []
        self._told_at = -_A_MINUTE

    @classmethod
    def of(cls, workspace: "Workspace", settings: "ConsoleSettings") -> "Doorway | None":
        """Return the door of the settings; None without one.

        Raises:
            UsageError: The path begins with the home of nobody.
        """
        return None if settings.socket is None else cls(workspace, workspace.root / at_home(settings.socket))

    def open(self) -> None:
        """Listen, in a thread.

        Raises:
            UsageError: It cannot be listened on.
        """
        try:
            self._listener = listen_for_accounts(self._path)
        except OSError as error:
            raise UsageError(
                f"Consoles of other accounts cannot be let in at {self._path}: {error.strerror or error}. The path is "
                "from console.socket: choose another one there, or end what uses this one."
            ) from None
        threading.Thread(target=self._welcome, args=(self._listener,), name="doorway", daemon=True).start()
        log.info("consoles of other accounts attach at %s", self._path)

    def close(self) -> None:
        """Let nobody else in. The socket stays in its folder, and the next engine replaces it."""
        if self._listener is not None:
            with contextlib.suppress(OSError):  # wakes the thread that waits in accept
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def _welcome(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError as error:
                if self._listener is not listener:
                    return
                log.warning("nobody can attach at %s for a moment: %s", self._path, error)
                time.sleep(_PAUSE_SECONDS)  # no descriptors are left, perhaps
                continue
            account = account_at(connection)
            with self._counted:
                callers = list(self._callers.values())
                if callers.count(account) >= MOST_OF_AN_ACCOUNT:
                    connection.close()  # without waiting for what it says: each caller takes a thread of the engine
                    continue
                if len(callers) >= _MOST_CALLERS:  # the oldest gives way: who means it has said all at once
                    oldest = next(iter(self._callers))
                    del self._callers[oldest]
                    with contextlib.suppress(OSError):
                        oldest.shutdown(socket.SHUT_RDWR)
                self._callers[connection] = account
            attend = threading.Thread(
                target=self._attend, args=(connection, account), name="doorway-console", daemon=True
            )
            attend.start()

    def _attend(self, connection: socket.socket, account: str) -> None:
        """Be with one caller until its console has ended."""
        try:
            with connection:
                process = self._answer(connection, account)
            if process is not None:
                self._see_off(process, account)
        except (OSError, ValueError) as error:  # the caller has gone, or says nothing that can be read
            log.debug("a caller at %s is left: %s", self._path, error)
        except Exception:
            log.exception("A console of another account could not be started.")
        finally:
            with self._counted:
                self._callers.pop(connection, None)

    def _answer(self, connection: socket.socket, account: str) -> "subprocess.Popen[bytes] | None":
        """Start the console of a caller, or say why there is none."""
        content, _ = receive_line(connection, within_seconds=_GREETING_SECONDS)
        with self._counted:
            self._callers.pop(connection, None)
        if not content:
            return None
        connection.settimeout(_GREETING_SECONDS)
        try:
            request = _read_request(content)
            self._require_patience(account)
            admission = ConsoleAdmission(self._workspace, account)
            self._require_few_refusals(admission.refusal())
            admission.enter()
            process, controlling = self._start(connection, account, request)
        except CoreError as error:
            log.debug("no console for %s: %s", account, error)
            send_line(connection, AttachAnswer(refusal=str(error)), descriptors=[])
            return None
        log.info("console of %s, process %d", account, process.pid)
        try:
            send_line(connection, AttachAnswer(), descriptors=[controlling])
        except OSError as error:
            log.info("%s has gone before its console was there: %s", account, error)
        finally:
            os.close(controlling)  # a console whose caller is gone hangs up
        return process

    def _see_off(self, process: "subprocess.Popen[bytes]", account: str) -> None:
        code = process.wait()
        self._give_place_up(account)
        log.info("the console of %s, process %d, ended with %d", account, process.pid, code)

    def _require_patience(self, account: str) -> None:
        """Refuse an account that asks for one console after the other: each is a record and a process.

        Raises:
            RefusedError: It does.
        """
        now = time.monotonic()
        with self._counted:
            asked = [at for at in self._asked.get(account, ()) if now - at < _A_MINUTE]
            if len(asked) >= MOST_A_MINUTE:
                raise RefusedError(f"{account} has asked for {MOST_A_MINUTE} consoles within a minute: wait for one.")
            self._asked[account] = [*asked, now]
            for name in [name for name, times in self._asked.items() if now - times[-1] >= _A_MINUTE]:
                del self._asked[name]

    def _require_few_refusals(self, refusal: str | None) -> None:
        """Refuse without a record whom a console is refused, once that was recorded too often.

        Raises:
            RefusedError: It was.
        """
        if refusal is None:
            return
        now = time.monotonic()
        with self._counted:
            self._refused = [at for at in self._refused if now - at < _A_MINUTE]
            if len(self._refused) < MOST_REFUSALS_A_MINUTE:
                self._refused.append(now)
                return
            if now - self._told_at < _A_MINUTE:
                raise RefusedError(refusal)
            self._told_at = now
        log.warning("more than %d consoles a minute are refused; the others are not recorded", MOST_REFUSALS_A_MINUTE)
        raise RefusedError(refusal)

    def _take_place(self, account: str) -> None:
        with self._counted:
            if self._consoles[account] >= MOST_OF_AN_ACCOUNT:
                raise RefusedError(f"{account} has {MOST_OF_AN_ACCOUNT} consoles here already: leave one first.")
            if self._consoles.total() >= MOST_CONSOLES:
                raise RefusedError(
                    f"{MOST_CONSOLES} consoles of other accounts are attached already; come back once one has left."
                )
            self._consoles[account] += 1

    def _give_place_up(self, account: str) -> None:
        with self._counted:
            self._consoles[account] -= 1
            if not self._consoles[account]:
                del self._consoles[account]

    def _start(
        self, connection: socket.socket, account: str, request: AttachRequest
    ) -> tuple[subprocess.Popen[bytes], int]:
        """Start a console in a terminal of its own; return it, and the controlling side of the terminal.

        Raises:
            RefusedError: There are too many, or this machine has no room for another one.
        """
        self._take_place(account)
        try:
            return self._started(connection, account, request)
        except BaseException as error:
            self._give_place_up(account)
            if isinstance(error, OSError):
                raise RefusedError(f"The console could not be started: {error.strerror or error}.") from None
            raise

    def _started(
        self, connection: socket.socket, account: str, request: AttachRequest
    ) -> tuple[subprocess.Popen[bytes], int]:
        folder = self._workspace.cache_dir / "consoles" / f"of-{quote(account, safe='')}"
        environment = environment_of(request, os.environ, folder)
        write_keys(preferences_file(environment), request.keys)
        options = ["--read-only"] if request.read_only else []
        options += [] if request.theme is None else [f"--theme={request.theme}"]
        options += [] if request.mouse is None else ["--mouse" if request.mouse else "--no-mouse"]
        controlling, terminal = pty.openpty()
        try:
            process = subprocess.Popen(
                module_command("console.cli.attached", connection.fileno(), self._workspace.root, *options),
                stdin=terminal,
                stdout=terminal,
                stderr=terminal,
                env=environment,
                pass_fds=[connection.fileno()],
                start_new_session=True,
            )
        except BaseException:
            os.close(controlling)
            raise
        finally:
            os.close(terminal)
        return process, controlling


def _read_request(content: bytes) -> AttachRequest:
    """Read what is wanted.

    Raises:
        UsageError: It cannot be read.
    """
    try:
        request = decode_json(content, AttachRequest)
    except ValueError as error:
        raise UsageError(
            f"This engine does not understand the console: {error}. Attach with the same version."
        ) from None
    if request.protocol != PROTOCOL:
        raise UsageError("This engine is of another version: attach with the same version.")
    return request


def environment_of(request: AttachRequest, own: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return the environment of a console for another account: this one's, with the terminal of the other.

    Args:
        request: What the other terminal is.
        own: The environment of this process.
        folder: Where what the console remembers of its user is kept.
    """
    found = {
        name: value
        for name, value in own.items()
        if name not in _OF_A_TERMINAL and not name.startswith(_PREFIXES_OF_A_TERMINAL)
    }
    found |= {"TERM": request.term, "LC_ALL": "C.UTF-8" if request.speaks_utf8 else "POSIX"}
    found |= {f"XDG_{kind}_HOME": str(folder) for kind in ("CONFIG", "DATA", "STATE", "CACHE")}
    if request.has_true_colours:
        found["COLORTERM"] = "truecolor"
    if request.wants_no_colours:
        found["NO_COLOR"] = "1"
    return found
