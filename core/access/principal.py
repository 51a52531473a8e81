"""Who asks: an account of this machine, a group of accounts, a token, a subject of the OIDC provider, or the engine."""

import os
import pwd
import re
from dataclasses import dataclass, field
from enum import StrEnum
from grp import getgrgid

from core.actor import Actor, Origin
from core.errors import UsageError
from core.escape import is_shown_as_is, shown

ANONYMOUS = "anonymous"
"""The author's name of a caller of the API without a token."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+@-]{0,59}\$?")
_MOST_OIDC_CHARACTERS = 255  # what OpenID Connect Core 1.0, section 2, allows a subject


class PrincipalKind(StrEnum):
    """What a role can be given to, and the engine, which needs none."""

    USER = "user"
    GROUP = "group"
    TOKEN = "token"
    OIDC = "oidc"  # a subject of the provider of `serving.oidc`
    OIDC_GROUP = "oidc-group"  # a group that the provider's tokens name: never one of the operating system
    ENGINE = "engine"
    NOBODY = "nobody"  # a caller without a token: it may look


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, as far as rights are concerned: never a name that the caller only claims."""

    kind: PrincipalKind
    name: str
    oidc_groups: frozenset[str] = field(default=frozenset(), compare=False)  # of a subject, as its token names them

    @classmethod
    def named(cls, text: str) -> "Principal":
        """Read a principal as people write it: `ana`, `user:ana`, `group:quants`, `token:t-0001`, `oidc:SUBJECT`.

        Raises:
            UsageError: It is none of these.

        >>> str(Principal.named("ana")), str(Principal.named("group:quants"))
        ('user:ana', 'group:quants')
        >>> Principal.named("oidc:auth0|5f7c8e").name, str(Principal.named("oidc-group:Domain Users"))
        ('auth0|5f7c8e', 'oidc-group:Domain Users')
        """
        word, colon, rest = text.partition(":")
        kind, name = (word, rest) if colon else (PrincipalKind.USER, text)
        if kind in (PrincipalKind.OIDC, PrincipalKind.OIDC_GROUP):
            if not is_oidc_name(name):
                raise UsageError(
                    f"{shown(text)} names no subject or group of a provider: after {kind}: come 1 to "
                    f"{_MOST_OIDC_CHARACTERS} visible characters, without a blank at either end."
                )
            return cls(PrincipalKind(kind), name)
        if kind not in (PrincipalKind.USER, PrincipalKind.GROUP, PrincipalKind.TOKEN) or not _NAME.fullmatch(name):
            raise UsageError(
                f"{shown(text)} is neither an account, a group nor a token: write user:ana, group:quants, "
                "token:t-0001, oidc:SUBJECT or oidc-group:NAME."
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
    if actor.oidc_subject:
        return Principal(PrincipalKind.OIDC, actor.oidc_subject, actor.oidc_groups)
    if actor.origin is Origin.API and actor.name == ANONYMOUS:
        return Principal(PrincipalKind.NOBODY, ANONYMOUS)
    return Principal(PrincipalKind.USER, actor.behind[-1] if actor.behind else actor.name)


def is_oidc_name(text: str) -> bool:
    """Say whether a text can be the name of a subject or a group of an OIDC provider.

    Real ones hold `|`, `:`, `/` and blanks. A name that a list would show as another one can be none.

    >>> is_oidc_name("https://login.example/#ana"), is_oidc_name("ana "), is_oidc_name("a\\u200bna"), is_oidc_name("")
    (True, False, False, False)
    """
    return 0 < len(text) <= _MOST_OIDC_CHARACTERS and is_shown_as_is(text) and text == text.strip()


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
