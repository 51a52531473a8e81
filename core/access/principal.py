"""Who asks: an account of this machine, a group of accounts, a token, or the engine."""

import os
import pwd
import re
from dataclasses import dataclass
from enum import StrEnum
from grp import getgrgid

from core.actor import Actor, Origin
from core.errors import UsageError
from core.escape import shown

ANONYMOUS = "anonymous"
"""The author's name of a caller of the API without a token."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+@-]{0,59}\$?")


class PrincipalKind(StrEnum):
    """What a role can be given to, and the engine, which needs none."""

    USER = "user"
    GROUP = "group"
    TOKEN = "token"
    ENGINE = "engine"
    NOBODY = "nobody"  # a caller without a token: it may look


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, as far as rights are concerned: never a name that the caller only claims."""

    kind: PrincipalKind
    name: str

    @classmethod
    def named(cls, text: str) -> "Principal":
        """Read a principal as people write it: `ana`, `user:ana`, `group:quants`, `token:t-0001`.

        Raises:
            UsageError: It is none of these.

        >>> str(Principal.named("ana")), str(Principal.named("group:quants"))
        ('user:ana', 'group:quants')
        """
        word, colon, rest = text.partition(":")
        kind, name = (word, rest) if colon else (PrincipalKind.USER, text)
        if kind not in (PrincipalKind.USER, PrincipalKind.GROUP, PrincipalKind.TOKEN) or not _NAME.fullmatch(name):
            raise UsageError(
                f"{shown(text)} is neither an account, a group nor a token: write user:ana, group:quants or "
                "token:t-0001."
            )
        return cls(PrincipalKind(kind), name)

    def __str__(self) -> str:
        return self.name if self.kind in (PrincipalKind.ENGINE, PrincipalKind.NOBODY) else f"{self.kind}:{self.name}"


def principal_of(actor: Actor) -> Principal:
    """Return whose rights an actor has.

    A name given with `--user` or `user=` is only a claim: the rights are those of the account that gives it.

    >>> from core.actor import Actor, Origin
    >>> str(principal_of(Actor("ana", "desk", Origin.COMMAND_LINE).in_the_name_of("ben")))
    'user:ana'
    """
    if actor.origin is Origin.ENGINE:
        return Principal(PrincipalKind.ENGINE, "engine")
    if actor.token_id:
        return Principal(PrincipalKind.TOKEN, actor.token_id)
    if actor.origin is Origin.API and actor.name == ANONYMOUS:
        return Principal(PrincipalKind.NOBODY, ANONYMOUS)
    return Principal(PrincipalKind.USER, actor.behind[-1] if actor.behind else actor.name)


def groups_of(account: str) -> frozenset[str]:
    """Return the names of the groups of an account, by the operating system; none for an unknown account."""
    try:
        found = pwd.getpwnam(account)
        ids = os.getgrouplist(account, found.pw_gid)
    except (KeyError, OSError):
        return frozenset()
    names = set()
    for group_id in ids:
        try:
            names.add(getgrgid(group_id).gr_name)
        except KeyError:  # a group without an entry in the database
            continue
    return frozenset(names)


def account_of(uid: int) -> str:
    """Return the name of an account by its number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid{uid}"
