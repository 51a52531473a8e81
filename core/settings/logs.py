"""The `logging` block: how much the processes of a workspace log, and as what."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class LoggingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The logs of a workspace; `--verbose` and `LOG_LEVEL` override the level."""

    level: Annotated[
        Literal["debug", "info", "warning", "error", "critical"],
        Meta(description="The lowest severity that is logged; --verbose and LOG_LEVEL take precedence."),
    ] = "info"
    format: Annotated[
        Literal["text", "json"], Meta(description="json: one object a line, with ts, level, logger, process, message.")
    ] = "text"
