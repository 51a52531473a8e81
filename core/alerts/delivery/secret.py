"""Secrets of channels: read from the environment or from private files when a message is sent, and shown nowhere."""

import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from core.alerts.delivery.errors import DeliveryError
from core.plain_files import open_plain

HIDDEN: Final = "<secret>"
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_MAX_BYTES = 64 << 10
_LEAST_HIDDEN = 4
"""A shorter part of a secret is not looked for: it would hide half of every sentence."""


class Secret:
    """A text that no message, log or document may hold; printing it shows `<secret>`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

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
            return self.file(str(file), f"{name}_file")
        if (text := fields.get(name)) in (None, ""):
            return None
        return self.text(str(text), name, is_secret=is_secret)

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
            with open_plain(Path(path).expanduser()) as stream:
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


def _looks_like_token(part: str) -> bool:
    """Whether a part of an address is more likely a token than a word."""
    return len(part) >= 16 or (len(part) >= 8 and any(map(str.isdigit, part)))


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
