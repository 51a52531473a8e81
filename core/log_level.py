"""How much a process logs: `--verbose`, else `LOG_LEVEL` of the environment, else `logging.level` of the settings."""

import logging
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager

from core.environment_variables import environment_variable
from core.errors import UsageError
from core.escape import shown

LEVELS = ("debug", "info", "warning", "error", "critical")
VARIABLE = "LOG_LEVEL"
_ALSO = {"warn": "warning", "fatal": "critical"}


class UnknownLevelError(UsageError):
    """`LOG_LEVEL` names a level that does not exist."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{VARIABLE} is {shown(name)}, which is not a level: use {', '.join(LEVELS)}, or unset it.")


def level_name(text: str) -> str | None:
    """Return the spelling of a level that settings have; None if there is no such level.

    >>> level_name("WARN"), level_name("loud")
    ('warning', None)
    """
    name = text.strip().lower()
    name = _ALSO.get(name, name)
    return name if name in LEVELS else None


def asked_level(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the level of `LOG_LEVEL`; None if it is not set.

    Raises:
        UnknownLevelError: There is no such level.
    """
    if not (text := environ.get(VARIABLE, "").strip()):
        return None
    if (name := level_name(text)) is None:
        raise UnknownLevelError(text)
    return name


def level_in_force(setting: str) -> int:
    """Return the level of this process: the environment's, else that of the settings."""
    return int(logging.getLevelNamesMapping()[(asked_level() or setting).upper()])


def verbose() -> AbstractContextManager[None]:
    """Within it, this process and the processes that it starts log everything: `--verbose`."""
    return environment_variable(VARIABLE, "debug")
