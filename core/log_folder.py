"""The logs of a workspace: each record goes to the one log of its part, whatever process writes it.

| Log | Records |
|---|---|
| `training.log` | sessions, epochs and the training child, with what it prints |
| `model_registry.log` | versions, artifacts, their trials and their integrity |
| `drift_detection.log` | drift checks |
| `server.log` | prediction servers, also one inside of an engine, and their workers |
| `engine.log`, `console.log`, `mlops_cli.log`, `bondx.log` | everything else, by the process: an engine, a console, `bondx-mlops`, another command of `bondx` |
"""  # noqa: E501 - a row of a table is one line

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

if TYPE_CHECKING:
    from core.log_file import LogFile

MAX_BYTES = 100_000_000
N_FILES = 5
PARTS: Mapping[str, str] = {
    "core.training": "training",
    "core.registry": "model_registry",
    "core.monitoring.drift": "drift_detection",
    "core.serving": "server",
}
"""The log of a part, by the beginning of its loggers' names."""

OWN_LOGGERS = ("core", "console", "bondx")
_NAMES_ADDRESSES = "httpx"
"""A library that logs the whole address of each request at INFO, whose path or query may be a key."""


def log_of(logger: str, rest: str) -> str:
    """Name the log of a logger; `rest` is the log of the process.

    >>> log_of("core.registry.trials", "engine"), log_of("core.monitoring.drift_check", "engine"), log_of("core.rollout", "engine")
    ('model_registry', 'drift_detection', 'engine')
    """  # noqa: E501
    return next((log for part, log in PARTS.items() if logger.startswith(part)), rest)


class LogFolder(logging.Handler):
    """Writes each record to its log, once: of two handlers for one folder in a process, the inner one writes it."""

    def __init__(self, folder: Path, rest: str, *, as_json: bool = False) -> None:
        """Prepare to write; a log is opened with its first record.

        Args:
            folder: The folder of the logs.
            rest: The log for what belongs to no part.
            as_json: Write one JSON object a line.
        """
        super().__init__()
        self._folder, self._rest, self._as_json = folder, rest, as_json
        self._files: dict[str, LogFile] = {}

    @property
    def as_json(self) -> bool:
        """Whether it writes JSON."""
        return self._as_json

    @override
    def emit(self, record: logging.LogRecord) -> None:
        written = record.__dict__.setdefault("log_folders", set())
        if self._folder not in written:
            written.add(self._folder)
            self._file(log_of(record.name, self._rest)).handle(record)

    @override
    def close(self) -> None:
        """Close the logs."""
        super().close()
        for file in self._files.values():
            with suppress(OSError):  # an error about the last line, which still cannot be written
                file.close()

    def _file(self, name: str) -> "LogFile":
        if (file := self._files.get(name)) is None:
            from core.log_file import LogFile
            from core.log_lines import FORMAT_WITH_PROCESS, JsonLines

            path = self._folder / f"{name}.log"
            file = LogFile(path, max_bytes=MAX_BYTES, n_kept=N_FILES - 1, form=FORMAT_WITH_PROCESS)
            if self._as_json:
                file.setFormatter(JsonLines())
            self._files[name] = file
        return file


def write_logs(
    folder: Path,
    rest: str,
    *,
    level: int,
    as_json: bool = False,
    of: str = "",
    others: int | None = None,
) -> Callable[[], None]:
    """Start to write records of this process to the logs of a workspace.

    Args:
        folder: The folder of the logs.
        rest: The log for what belongs to no part, such as `engine`.
        level: The lowest severity to write.
        as_json: Write one JSON object a line.
        of: The logger whose records, and those of the loggers below it, are written; by default all.
        others: The lowest severity that libraries log, whose details may be secret; by default as it was.
    Returns:
        A function that ends this and closes the logs.
    """
    handler = LogFolder(folder, rest, as_json=as_json)
    handler.setLevel(level)
    source = logging.getLogger(of)
    source.addHandler(handler)
    levels = {logging.getLogger(name): level for name in (OWN_LOGGERS if not of else (of,))}
    if others is not None:
        levels[source] = others
        levels[logging.getLogger(_NAMES_ADDRESSES)] = max(others, logging.WARNING)
    before = {logger: logger.level for logger in levels}
    for logger, wanted in levels.items():
        logger.setLevel(min(wanted, logger.level or wanted))

    def stop() -> None:
        source.removeHandler(handler)
        for logger, earlier in before.items():
            logger.setLevel(earlier)
        handler.close()

    return stop
