"""The lines of a log: text for people, or one JSON object a line. No logged text can break or colour a line."""

import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from typing_extensions import override

from core.escape import escaped

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
FORMAT_WITH_PROCESS = FORMAT.replace("%(name)s", "%(name)s[%(process)d]")
JSON_BEGIN = b'{"ts":"'
_STANDARD = frozenset(
    {*logging.makeLogRecord({}).__dict__, "asctime", "message", "taskName", "log_folders", "color_message"}
)


class LogLines(logging.Formatter):
    """One line for each message, whatever text is in it; a traceback follows on lines of its own. Times are UTC."""

    def __init__(self, form: str = FORMAT) -> None:
        super().__init__(form)
        self.converter = time.gmtime

    @override
    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = escaped(record.message)
        return super().formatMessage(record)

    @override
    def formatException(self, ei: object) -> str:
        return escaped(super().formatException(ei), keep="\n")  # type: ignore[arg-type]  # as the base class has it


class JsonLines(logging.Formatter):
    """One JSON object a line, of printable ASCII: ts (UTC), level, logger, process, message, extra, exc."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        import json

        found = {
            "ts": f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%dT%H:%M:%S}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
            "extra": {name: value for name, value in record.__dict__.items() if name not in _STANDARD},
        }
        if record.exc_info:
            found["exc"] = self.formatException(record.exc_info)
        elif record.exc_text:
            found["exc"] = record.exc_text
        return json.dumps(found, default=str, separators=(",", ":")).replace("\x7f", "\\u007f")


def text_of(line: bytes) -> str | None:
    """Spell a line of JSON as text logs do, a traceback below it; None if it is not such a line.

    >>> text_of(b'{"ts":"2026-03-02T03:04:05.678Z","level":"INFO","logger":"core","process":7,"message":"ready"}')
    '2026-03-02 03:04:05,678 INFO    core[7]: ready'
    """
    if (found := _decoded(line)) is None:
        return None
    ts = str(found.get("ts", "")).replace("T", " ").replace(".", ",").rstrip("Z")
    extra = found.get("extra")
    more = "".join(f" {name}={value}" for name, value in extra.items()) if isinstance(extra, dict) else ""
    head = f"{ts} {found.get('level', ''):<7} {found.get('logger', '')}[{found.get('process', '')}]: "
    below = f"\n{found['exc']}" if found.get("exc") else ""
    return escaped(f"{head}{found.get('message', '')}{more}") + escaped(below, keep="\n")


def record_of(line: bytes) -> logging.LogRecord | None:
    """Return the record that another process spelled as a line of JSON; None if it is not such a line."""
    if (found := _decoded(line)) is None or not isinstance(found.get("extra"), dict):
        return None
    level = logging.getLevelNamesMapping().get(str(found.get("level")), logging.INFO)
    record = logging.makeLogRecord(
        found["extra"]
        | {
            "name": str(found.get("logger")),
            "levelno": level,
            "levelname": logging.getLevelName(level),
            "process": found.get("process"),
            "msg": str(found.get("message")),
            "exc_text": found.get("exc"),
        }
    )
    try:
        record.created = datetime.fromisoformat(str(found.get("ts"))).timestamp()
    except ValueError:
        return None
    record.msecs = record.created % 1 * 1000
    return record


def _decoded(line: bytes) -> Mapping[str, Any] | None:
    if not line.startswith(JSON_BEGIN):
        return None
    import json

    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
