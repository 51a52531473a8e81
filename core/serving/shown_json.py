"""JSON answers that a terminal shows as they are, and obeys in nothing.

A column of a user's table may have any name, and names go out in descriptions and refusals. JSON itself escapes only
the controls below the blank, so a name with another one (DEL, the C1 controls, letters that turn the reading direction
around) would reach the terminal of whoever asks with curl. As `\\u009b` it is the same text for every program.
"""

from core.escape import is_shown_as_is
from core.serving.asgi import Message, Send

_BETWEEN_TOKENS = "\t\n\r"  # in a text of JSON itself they are escaped


def shown_json(content: bytes) -> bytes:
    """Escape the characters of a JSON text that a terminal would obey or hide.

    >>> shown_json(b'"Z\\xc3\\xbcrich\\xc2\\x9b"').decode(), shown_json(b'{"a": 1}')
    ('"Zürich\\\\u009b"', b'{"a": 1}')
    """
    if content.isascii() and b"\x7f" not in content:
        return content
    text = content.decode()
    if is_shown_as_is(text, keep=_BETWEEN_TOKENS):
        return content
    return "".join(
        each if each in _BETWEEN_TOKENS or is_shown_as_is(each) else _as_escape(each) for each in text
    ).encode()


def _as_escape(character: str) -> str:
    return "".join(f"\\u{unit.hex()}" for unit in _units(character))


def _units(character: str) -> list[bytes]:
    """Return a character as units of UTF-16, which JSON escapes it by: two for one beyond U+FFFF."""
    encoded = character.encode("utf-16-be")
    return [encoded[at : at + 2] for at in range(0, len(encoded), 2)]


class ShownAnswer:
    """Sends an answer on, a JSON body as `shown_json` returns it."""

    __slots__ = ("_send", "_start")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None

    async def __call__(self, message: Message) -> None:
        """Send one message of the answer; the start waits for the body, whose length it names."""
        if message["type"] == "http.response.start" and _is_json(message):
            self._start = message
            return
        if (start := self._start) is not None:
            self._start = None
            body = message.get("body", b"")
            if not message.get("more_body") and (shown := shown_json(body)) is not body:
                start["headers"] = [*_without_length(start), (b"content-length", b"%d" % len(shown))]
                message = {**message, "body": shown}
            await self._send(start)
        await self._send(message)


def _is_json(start: Message) -> bool:
    return any(name == b"content-type" and value.startswith(b"application/json") for name, value in start["headers"])


def _without_length(start: Message) -> list[tuple[bytes, bytes]]:
    return [field for field in start["headers"] if field[0] != b"content-length"]
