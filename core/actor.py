"""Who acts: a person at some terminal, or the engine itself."""

import getpass
import os
import socket
from dataclasses import dataclass
from enum import StrEnum


class Origin(StrEnum):
    """The face through which a change came in."""

    CONSOLE = "console"
    COMMAND_LINE = "cli"
    ENGINE = "engine"
    API = "api"


@dataclass(frozen=True, slots=True)
class Actor:
    """The author of a change, as the audit log and every document record it."""

    name: str
    host: str
    origin: Origin

    @classmethod
    def current(cls, origin: Origin) -> "Actor":
        """Name the person this process runs for, by the operating system's account."""
        try:
            name = getpass.getuser()
        except (KeyError, OSError):  # an account without an entry in the password database
            name = f"uid{os.getuid()}"
        return cls(name, socket.gethostname(), origin)

    @classmethod
    def engine(cls) -> "Actor":
        """Name the engine, for the changes it makes by itself."""
        return cls("engine", socket.gethostname(), Origin.ENGINE)

    def __str__(self) -> str:
        return f"{self.name}@{self.host}"
