"""The process of a console that attached through the socket of an engine; `console.runtime.doorway` starts it.

Whose console it is says the kernel, by the connection that was inherited: not a name that was handed over.
"""

import argparse
import fcntl
import os
import signal
import socket
import sys
import termios
from contextlib import suppress
from pathlib import Path

from console.runtime import collector
from console.runtime.attachment import AttachAnswer, send_line
from core.errors import CoreError
from core.typed_numbers import whole_number


def main() -> int:
    """Show the console in the terminal that this process was given, and return its exit code."""
    parser = argparse.ArgumentParser(prog="bondx")
    parser.add_argument("connection", type=whole_number)
    parser.add_argument("root", type=Path)
    parser.add_argument("--read-only", action="store_true")
    parser.add_argument("--theme")
    parser.add_argument("--mouse", action=argparse.BooleanOptionalAction)
    args = parser.parse_args()
    os.set_inheritable(args.connection, False)
    for number in (signal.SIGTSTP, signal.SIGQUIT):  # whoever holds the other side of the terminal can send them
        signal.signal(number, signal.SIG_IGN)
    fcntl.ioctl(sys.stdin, termios.TIOCSCTTY, 0)  # so that a change of its size is a signal, and its end a hang-up
    with socket.socket(fileno=args.connection) as connection:
        code = _show(args, connection)
        with suppress(OSError):
            send_line(connection, AttachAnswer(exit_code=code), descriptors=[])
    return code


def _show(args: argparse.Namespace, connection: socket.socket) -> int:
    try:
        with collector.paused():
            from console.app.start import run_console
            from core.access.peers import account_at
            from core.governance.attached_consoles import ConsoleAdmission
            from core.state import Workspace

            admission = ConsoleAdmission(Workspace(args.root), account_at(connection))
            return run_console(
                args.root, read_only=args.read_only, theme=args.theme, mouse=args.mouse, admission=admission
            )
    except CoreError as error:
        from console.cli.output import complain

        complain(str(error))
        return int(error.exit_code)


if __name__ == "__main__":
    sys.exit(main())
