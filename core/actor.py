"""The author of a change: a person at a terminal, or the engine."""

import os
import pwd
import socket
from dataclasses import dataclass, replace
from enum import StrEnum

RESERVED = frozenset({"engine", "anonymous"})
"""Author names of changes that no person made; no token may have them."""


class Origin(StrEnum):
    """The interface through which a change was made."""

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
    via: str = ""  # the token or account that was used, if not the person's own account
    behind: tuple[
        str, ...
    ] = ()  # others who may have acted under this name: creators of the token, owners of the account
    token_id: str = ""  # of the token that was used, whose rights count
    oidc_subject: str = ""  # whom a token of the OIDC provider speaks for, whose rights count
    oidc_groups: frozenset[str] = frozenset()  # the groups that the same token names

    @classmethod
    def current(cls, origin: Origin) -> "Actor":
        """Return the person for whom this process runs, by the operating system's account.

        $USER and $LOGNAME are ignored, since anyone can set them to another name.
        """
        try:
            name = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:  # an account without an entry in the password database
            name = f"uid{os.getuid()}"
        return cls(name, socket.gethostname(), origin)

    @classmethod
    def of_oidc(cls, subject: str, groups: frozenset[str], host: str) -> "Actor":
        """Return the author of changes made with a token of the OIDC provider.

        The name says where the subject is known: no account and no other token has such a name.

        >>> str(Actor.of_oidc("ana", frozenset(), "192.0.2.7"))
        'oidc:ana@192.0.2.7'
        """
        return cls(f"oidc:{subject}", host, Origin.API, oidc_subject=subject, oidc_groups=groups)

    @classmethod
    def engine(cls) -> "Actor":
        """Return the engine as the author of its own changes."""
        return cls("engine", socket.gethostname(), Origin.ENGINE)

    def in_the_name_of(self, name: str) -> "Actor":
        """Act under a name that only this actor vouches for.

        >>> str(Actor("ana", "desk", Origin.COMMAND_LINE).in_the_name_of("ben"))
        'ben@desk via ana'
        """
        if name == self.name:
            return self
        return replace(self, name=name, via=self.name, behind=(self.name, *self.behind))

    @property
    def persons(self) -> frozenset[str]:
        """Everyone who may be behind this actor's changes; the engine itself is not a person.

        >>> sorted(Actor("Ben", "desk", Origin.API, via="ci", behind=("ana",)).persons)
        ['ana', 'ben']
        """
        own = () if self.origin is Origin.ENGINE else (self.name,)
        return frozenset(name.casefold() for name in (*own, *self.behind))

    def __str__(self) -> str:
        return f"{self.name}@{self.host}" + (f" via {self.via}" if self.via else "")
