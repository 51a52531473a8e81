"""Secrets of channels: read from the environment or from private files when a message is sent, and shown nowhere."""

import os
import re
import stat
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from core.alerts.delivery.errors import DeliveryError
from core.home_paths import at_home
from core.plain_files import open_plain

HIDDEN: Final = "<secret>"
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_MAX_BYTES = 64 << 10
_LEAST_HIDDEN = 4
"""A shorter part of a secret is not looked for: it would hide half of every sentence."""


class Secret:
    """A text that no message, log or document may hold; printing it shows `<secret>`."""

    __slots__ = ("_text", "is_known")

    def __init__(self, text: str, *, is_known: bool = True) -> None:
        self._text = text
        self.is_known = is_known
        """Whether the text is complete; a check may run where a variable or a file of the engine is not there."""

    def reveal(self) -> str:
        """Return the text, for the one call that sends it."""
        return self._text

    def __repr__(self) -> str:
        return HIDDEN

    def __bool__(self) -> bool:
        return bool(self._text)

    def parts(self) -> set[str]:
        """Return what must not be shown: the text, and the parts of an address that could hold a token."""
        found = {self._text}
        try:
            address = urlsplit(self._text)
        except ValueError:
            address = urlsplit("")
        if address.scheme and address.netloc:
            found |= {address.query, address.username or "", address.password or ""}
            found |= {address.path} if len(address.path) > _LEAST_HIDDEN else set()
            found |= set(filter(_looks_like_token, re.split(r"[/&=?:@,]", f"{address.path}?{address.query}")))
        found |= {unquote(part) for part in found} | {quote(part, safe="") for part in found}
        return {part for part in found if len(part) >= _LEAST_HIDDEN}


class Secrets:
    """Reads the secrets of one channel, and hides them in whatever is said about it."""

    def __init__(self, *, place: str, is_private: bool, environ: Mapping[str, str] | None = None) -> None:
        """Prepare to read.

        Args:
            place: Where the channel is configured, for errors: a file with line and column, or a setting.
            is_private: Whether that file is readable by its owner alone, so that it may hold a secret itself.
            environ: The environment; by default that of this process.
        """
        self._place = place
        self._is_private = is_private
        self._environ = os.environ if environ is None else environ
        self._read: list[Secret] = []

    def field(self, fields: Mapping[str, Any], name: str, *, is_secret: bool = True) -> Secret | None:
        """Read a field that stands in its file as text, as `${NAME}` of the environment, or as `NAME_file`.

        Args:
            fields: The block of the channel.
            name: The field.
            is_secret: Whether a text in a file that others can read is refused. An address without a token may stand
                there.
        Returns:
            The secret, or None without such a field.
        Raises:
            DeliveryError: The variable is not set, the file cannot be read or is open to others, or the text stands in
                a file that others can read.
        """
        if (file := fields.get(f"{name}_file")) not in (None, ""):
            return self.file(self._scalar(file, f"{name}_file"), f"{name}_file")
        if (text := fields.get(name)) in (None, ""):
            return None
        return self.text(self._scalar(text, name), name, is_secret=is_secret)

    def address(
        self,
        fields: Mapping[str, Any],
        name: str,
        *,
        is_secret: bool = True,
        schemes: Collection[str] = ("https", "http"),
    ) -> Secret | None:
        """Read a field that must be an address, as `field` does.

        Raises:
            DeliveryError: As of `field`, or nothing can ever be sent to the address.
        """
        found = self.field(fields, name, is_secret=is_secret)
        if found is not None and found.is_known and not is_usable_address(found.reveal(), schemes):
            raise DeliveryError(
                f"{self._place}: {name} must be an address such as {next(iter(schemes))}://host:port/path."
            )
        return found

    def _scalar(self, value: Any, name: str) -> str:
        if isinstance(value, Mapping | list | tuple):
            raise DeliveryError(f"{self._place}: {name} must be text.")
        return str(value)

    def text(self, text: str, name: str, *, is_secret: bool = True) -> Secret:
        """Read a text with `${NAME}` for parts from the environment; raises as `field` does."""
        if _VARIABLE.search(text) is None and is_secret and not self._is_private:
            raise DeliveryError(
                f"{self._place}: {name} stands in a file that others can read: chmod 600 it, use {name}_file, or write "
                f"${{VARIABLE}} and set it in the environment of the engine."
            )
        return self.keep(_VARIABLE.sub(lambda found: self._variable(found[1], name), text))

    def file(self, path: str, name: str) -> Secret:
        """Read a secret from a file that its owner alone can read; the line end is no part of it."""
        try:
            with open_plain(at_home(path)) as stream:
                status = os.fstat(stream.fileno())
                if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                    raise DeliveryError(f"{self._place}: others can read {path} ({name}): chmod 600 it.")
                if status.st_uid not in (os.geteuid(), 0):
                    raise DeliveryError(f"{self._place}: {path} ({name}) belongs to another account: chown it.")
                content = stream.read(_MAX_BYTES + 1)
        except OSError as error:
            raise DeliveryError(f"{self._place}: {path} ({name}) cannot be read: {error.strerror or error}.") from None
        if len(content) > _MAX_BYTES:
            raise DeliveryError(f"{self._place}: {path} ({name}) is over {_MAX_BYTES >> 10} KiB, and no secret.")
        try:
            return self.keep(content.decode().rstrip("\r\n"))
        except UnicodeDecodeError:
            raise DeliveryError(f"{self._place}: {path} ({name}) is not UTF-8.") from None

    def keep(self, text: str) -> Secret:
        """Return a text as a secret that `hide` hides."""
        self._read.append(secret := Secret(text))
        return secret

    def hide(self, text: str) -> str:
        """Return a text without the secrets that were read."""
        return hidden(text, self._read)

    def _variable(self, variable: str, name: str) -> str:
        if not (value := self._environ.get(variable, "")):
            raise DeliveryError(f"{self._place}: {name} needs ${variable}, which is not set where the engine runs.")
        return value


class CheckedSecrets(Secrets):
    """Secrets as a check reads them: a variable or a file that is missing here may be there where the engine runs."""

    def text(self, text: str, name: str, *, is_secret: bool = True) -> Secret:
        """Read a text; with a variable that is not set here, it is not known."""
        variables = _VARIABLE.findall(text)
        if variables and not all(self._environ.get(variable) for variable in variables):
            return Secret(text, is_known=False)
        return super().text(text, name, is_secret=is_secret)

    def file(self, path: str, name: str) -> Secret:
        """Read a file; what is in a file that this account cannot see is not known."""
        file = at_home(path)
        try:
            is_there = os.path.lexists(file) and (not file.is_file() or os.access(file, os.R_OK))
            if not is_there or (file.is_file() and file.stat().st_uid not in (os.geteuid(), 0)):
                return Secret("", is_known=False)
        except OSError:  # of a folder above it
            return Secret("", is_known=False)
        return super().file(path, name)


def is_usable_address(text: str, schemes: Collection[str] = ("https", "http")) -> bool:
    """Whether a text is a whole address of one of these schemes.

    >>> [is_usable_address(text) for text in ("https://a/b", "a/b", "file:///a", "http://a:99999", "http://")]
    [True, False, False, False, False]
    """
    try:
        address = urlsplit(text)
        is_whole = address.scheme in schemes and bool(address.hostname) and address.port != 0
    except ValueError:
        return False
    return is_whole and text.isprintable() and " " not in text


def _looks_like_token(part: str) -> bool:
    """Whether a part of an address is more likely a token than a word."""
    return len(part) >= 16 or (len(part) >= 8 and any(map(str.isdigit, part)))


def may_hold_token(text: str) -> bool:
    """Whether a text may hold a token: no address, or one with an account, a query, or a part that is no word.

    >>> [may_hold_token(text) for text in ("http://desk:9000/hook", "http://a/T00/B0000123", "http://a/?key=1", "abc")]
    [False, True, True, True]
    """
    try:
        address = urlsplit(text)
    except ValueError:
        return True
    if not address.scheme or not address.netloc or "@" in address.netloc or address.query or address.fragment:
        return True
    return any(map(_looks_like_token, address.path.split("/")))


def hidden(text: str, secrets: Iterable[Secret]) -> str:
    """Return a text with every part of the secrets replaced, the longest parts first.

    >>> hidden("no route to https://hooks.example/T00/abcd", [Secret("https://hooks.example/T00/abcd")])
    'no route to <secret>'
    """
    for part in sorted({part for secret in secrets for part in secret.parts()}, key=len, reverse=True):
        text = text.replace(part, HIDDEN)
    return text


def is_private(path: Path) -> bool:
    """Whether a file is readable by its owner alone."""
    try:
        return not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    except OSError:
        return False
