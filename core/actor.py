"""Who acts: a person at some terminal, or the engine itself."""

import os
import pwd
import socket
from dataclasses import dataclass, replace
from enum import StrEnum

RESERVED = frozenset({"engine", "anonymous"})
"""Names under which what no person did is recorded; nobody's token may be one of them."""


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
    via: str = ""  # what it came through, where that is not the person's own account: a token, another's account
    behind: tuple[str, ...] = ()  # who else can have acted in this name: they made the token, or own that account

    @classmethod
    def current(cls, origin: Origin) -> "Actor":
        """Name the person this process runs for, by the operating system's account.

        Never by $USER or $LOGNAME, which anybody can set to another's name.
        """
        try:
            name = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:  # an account without an entry in the password database
            name = f"uid{os.getuid()}"
        return cls(name, socket.gethostname(), origin)

    @classmethod
    def engine(cls) -> "Actor":
        """Name the engine, for the changes it makes by itself."""
        return cls("engine", socket.gethostname(), Origin.ENGINE)

    def in_the_name_of(self, name: str) -> "Actor":
        """Act under a name that nothing but this actor's word vouches for.

        >>> str(Actor("ana", "desk", Origin.COMMAND_LINE).in_the_name_of("ben"))
        'ben@desk via ana'
        """
        if name == self.name:
            return self
        return replace(self, name=name, via=self.name, behind=(self.name, *self.behind))

    @property
    def persons(self) -> frozenset[str]:
        """Everybody who can be behind what this actor does; the engine itself is no person.

        >>> sorted(Actor("Ben", "desk", Origin.API, via="ci", behind=("ana",)).persons)
        ['ana', 'ben']
        """
        own = () if self.origin is Origin.ENGINE else (self.name,)
        return frozenset(name.casefold() for name in (*own, *self.behind))

    def __str__(self) -> str:
        return f"{self.name}@{self.host}" + (f" via {self.via}" if self.via else "")
