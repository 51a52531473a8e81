"""A secret key: from a private file, the environment, or the output of a command; never kept, never printed."""

import os
import shlex
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

import msgspec

from core.errors import UsageError
from core.escape import shown
from core.home_paths import at_home
from core.plain_files import read_file

LEAST_CHARACTERS = 16
_COMMAND_SECONDS = 60.0
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class KeySourceError(UsageError):
    """A key is missing, cannot be read, or is too short."""


class KeySource(msgspec.Struct, frozen=True, kw_only=True):
    """Where a key is; all empty: there is none."""

    file: str = ""  # no other account may read it
    env: str = ""  # the name of the variable
    command: str = ""  # its standard output is the key; run without a shell

    def read(
        self, root: Path | None = None, environ: Mapping[str, str] | None = None, *, of: str = "backups"
    ) -> bytes | None:
        """Return the key; None without a source.

        Args:
            root: Where a relative file name begins; by default the present folder.
            environ: The environment; by default that of this process.
            of: What it is the key of, for errors.

        Raises:
            KeySourceError: It cannot be read, or is too short.
        """
        if self.file:
            return _usable(_of_file((root or Path()) / at_home(self.file), of), f"the file {shown(self.file)}", of)
        if self.env:
            found = (os.environ if environ is None else environ).get(self.env, "")
            return _usable(found.encode(errors="surrogateescape"), f"the environment variable {shown(self.env)}", of)
        if self.command:
            return _usable(_of_command(self.command, root), f"the output of {_program(self.command)}", of)
        return None


def _of_file(file: Path, of: str) -> bytes:
    about = f"The key of {of} cannot be read from {shown(str(file), most=300)}"
    try:
        if file.stat().st_mode & _OTHERS:
            raise KeySourceError(f"{about}: other accounts may read it. Close it with chmod 600.")
        return read_file(file)
    except OSError as error:
        raise KeySourceError(f"{about}: {error.strerror or error}.") from None


def _of_command(command: str, root: Path | None) -> bytes:
    about = f"The command of the key, {_program(command)}, failed"
    try:
        words = shlex.split(command)
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_COMMAND_SECONDS, cwd=root, check=False
        )
    except (OSError, ValueError, IndexError) as error:
        raise KeySourceError(f"{about}: {getattr(error, 'strerror', None) or error}.") from None
    except subprocess.TimeoutExpired:
        raise KeySourceError(f"{about}: it did not end within {_COMMAND_SECONDS:.0f} s.") from None
    if done.returncode != 0:
        # What it says may hold the secret itself.
        raise KeySourceError(f"{about}: it ended with exit code {done.returncode}.")
    return done.stdout


def _program(command: str) -> str:
    """Return the program of a command as an error shows it: its arguments may be the key itself."""
    return shown(command.split(maxsplit=1)[0] if command.split() else "", most=40)


def _usable(key: bytes, source: str, of: str) -> bytes:
    key = key.strip()
    if not key:
        raise KeySourceError(f"There is no key of {of}: {source} is empty or not set.")
    if len(key) < LEAST_CHARACTERS:
        raise KeySourceError(
            f"The key in {source} has {len(key)} characters; a key of {of} has at least {LEAST_CHARACTERS}. "
            "`head -c 32 /dev/urandom | base64` makes one."
        )
    return key
