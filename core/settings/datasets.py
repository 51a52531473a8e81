"""The `datasets` block: which data sets of a session stay as files."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class DataSetSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which data sets of a session stay below its reports. All of them can be drawn again from its report."""

    keep: Annotated[
        Literal["final", "epochs", "none"],
        Meta(
            description="final: the last draw, the validation panel and the test panels, written when the session "
            "ends; epochs: also the draw of each epoch; none: no files."
        ),
    ] = "final"
    formats: Annotated[
        tuple[Literal["csv", "jsonl", "parquet"], ...],
        Meta(min_length=1, description="The formats of these files: csv, jsonl, parquet."),
    ] = ("csv", "jsonl", "parquet")
