"""Where backups are kept: a folder of this machine, or an address that fsspec opens, such as s3://safe/desk.

An address holds no password, token or query: those come from the environment or from the library's own configuration.
So an address can stand in settings, records, logs and messages as it is.
"""

import re
import unicodedata
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from core.errors import UsageError
from core.escape import is_shown_as_is, shown
from core.home_paths import at_home

EXTRA: Final = "fsspec"
MASK: Final = "***"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_USER = re.compile(r"(?<=://)[^/\s'\"]*[@\uff20\ufe6b]")
_QUERY = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^\s?#'\"]*)([?#])[^\s'\"]+")
_ADDRESS_LIKE = re.compile(r"\s*[A-Za-z][A-Za-z0-9+._-]*:")  # with one slash or none, or a scheme that nobody knows
_HOST = re.compile(r"(\[[^]]*\]|[^:]*)(:[0-9]{1,5})?")  # what is no number after a colon begins a password
_FOLDER_SCHEMES = ("file", "local")
_KEPT_BY_NOBODY = ("memory",)  # gone with the process
_THIS_MACHINE = re.compile(r"(?<=^file://)(?i:localhost)(?=/)|(?<=^local://)(?i:localhost)(?=/)")


class BackupAddress(msgspec.Struct, frozen=True):
    """An address that fsspec opens; `address_of` makes it of what a person typed."""

    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def scheme(self) -> str:
        """The part before ://, which chooses the library."""
        return self.text.partition("://")[0].lower()

    @property
    def folder(self) -> Path | None:
        """The folder that a file:// address names; None for all others."""
        return Path(self.text.partition("://")[2]) if self.scheme in _FOLDER_SCHEMES else None


BackupTarget = Path | BackupAddress


def is_address(text: str) -> bool:
    """Say whether a text names an address, if perhaps a mistyped one, and not a folder.

    A folder whose name begins with a word and a colon is named as ./NAME.

    >>> [is_address(text) for text in ("s3://safe/desk", "a://b::c://d", "ftp:/host/safe", "ftp:host", "arrow_hdfs://h")]
    [True, True, True, True, True]
    >>> [is_address(text) for text in ("../backups", "/safe/desk", "./a:b", "2026-11-30T10:00")]
    [False, False, False, False]
    """
    plain = unicodedata.normalize("NFKC", text)  # as a full-width colon or @
    return "://" in plain or _ADDRESS_LIKE.match(plain) is not None


def target_of(text: str, root: Path | None = None) -> BackupTarget:
    """Return the folder or the address that a person named.

    Args:
        text: What the person typed, or the settings hold.
        root: Where a relative folder begins; by default the present folder, where it stays as it was typed.

    Raises:
        UsageError: It is an address that holds a credential, or that cannot be one.

    >>> str(target_of("s3://safe/desk/")), str(target_of("file://localhost/safe/desk"))
    ('s3://safe/desk', 'file:///safe/desk')
    >>> target_of("ftp://ana:secret@host/safe")
    Traceback (most recent call last):
    core.errors.UsageError: The address ftp://***@host/safe holds a password. Leave it out: the library reads it \
from the environment or from its own configuration (docs/backup.md).
    """
    if is_address(text):
        if problem := problem_of(text):
            raise UsageError(problem)
        scheme, _, rest = text.partition("://")
        return BackupAddress(_THIS_MACHINE.sub("", f"{scheme.lower()}://{rest}").rstrip("/"))
    return Path(text) if root is None else root / at_home(text)


def problem_of(text: str) -> str:
    """Say why an address cannot be used; empty if it can. The sentence holds no credential.

    Source:
        RFC 8089: the host of a file address is this machine if it is empty or "localhost".
    """
    text_shown = _without_secrets(text)
    named = f"The address {text_shown}"
    elsewhere = (
        "Leave it out: the library reads it from the environment or from its own configuration (docs/backup.md)."
    )
    if not is_shown_as_is(text) or " " in text:
        return f"The address {shown(text_shown, most=200)} holds blanks or hidden characters. Name it without them."
    text = unicodedata.normalize("NFKC", text)
    if "::" in text:
        return f"{named} is a chain of two. Name one file system: a cache between would be verified in its place."
    if _SCHEME.match(text) is None:
        return (
            f"{named} is in no form that is known. Name it as in s3://safe/desk, with two slashes; a folder of such a "
            "name as ./NAME."
        )
    try:
        parts = urlsplit(text)
    except ValueError:
        return f"{named} cannot be read. Name it as in s3://safe/desk."
    account, _, host = parts.netloc.rpartition("@")
    if ":" in account or not _HOST.fullmatch(host):
        return f"{named} holds a password. {elsewhere}"
    if parts.query or parts.fragment:
        return f"{named} holds a query or a fragment, which may be a token. {elsewhere}"
    scheme = parts.scheme.lower()
    if not (parts.path.strip("/") or (parts.netloc and scheme not in _FOLDER_SCHEMES)):
        return f"{named} names no place. Name it as in s3://safe/desk."
    if scheme in _KEPT_BY_NOBODY:
        return f"{named} is the memory of this process, which keeps nothing. Name a place that lasts."
    if scheme in _FOLDER_SCHEMES and parts.netloc.lower() not in ("", "localhost"):
        return (
            f"{named} names the host {shown(host)}, and a file address means this machine. "
            f"Name the whole path after three slashes, such as {scheme}:///safe/desk."
        )
    return ""


def _without_secrets(text: str) -> str:
    """Return an address as a refusal shows it: whatever may be a password, a token or a query is left out.

    >>> [_without_secrets(text) for text in ("ftp:/bob:PW@h/x", "ftp://bob:P/W\uff20h/x", "s3://b/x#PW", "ftp:bob:PW")]
    ['ftp:/***@h/x', 'ftp://***@h/x', 's3://b/x#***', 'ftp:***']
    """
    plain = unicodedata.normalize("NFKC", text)
    scheme, colon, rest = plain.partition(":")
    place = rest.lstrip("/")
    slashes = rest[: len(rest) - len(place)]
    _, at, place = place.rpartition("@")  # a password may hold slashes
    if end := re.search(r"[?#]", place):
        place = f"{place[: end.end()]}{MASK}"
    host, slash, path = place.partition("/")
    if not _HOST.fullmatch(host):
        host, slash, path = MASK, "", ""
    if ":" in path:
        path = MASK
    return f"{scheme}{colon}{slashes}{f'{MASK}@' if at else ''}{host}{slash}{path}"


def masked(text: str) -> str:
    """Return a text in which no address shows an account, a password or a query.

    >>> masked("cannot open ftp://ana:p%40ss@host/safe?sig=abc now")
    'cannot open ftp://***@host/safe?*** now'
    """
    return _QUERY.sub(rf"\1\2{MASK}", _USER.sub(f"{MASK}@", text))


def require_extra(address: BackupAddress) -> None:
    """Check, without importing it, that the extra is installed.

    Raises:
        UsageError: It is not.
    """
    if find_spec(EXTRA) is None:
        raise UsageError(
            f"Backups at {address} need the extra {EXTRA}, which is not installed: "
            f"pip install 'bondx-console[{EXTRA}]'."
        )
