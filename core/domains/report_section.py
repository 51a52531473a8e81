"""What a domain adds to the final report of its sessions. Light to import."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import msgspec


class ReportSection(msgspec.Struct, frozen=True, kw_only=True):
    """A table with a title and a sentence about it.

    Attributes:
        title: Of the section.
        about: What the table shows, in one or two sentences.
        columns: The names of its columns; the first names the rows.
        rows: Its cells, as they are shown.
    """

    title: str
    about: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def figures(self) -> tuple[bool, ...]:
        """Whether each column holds figures, which are drawn to the right; the first names the rows and does not."""
        return tuple(
            place > 0 and all(_is_figure(row[place]) for row in self.rows) for place in range(len(self.columns))
        )


def _is_figure(cell: str) -> bool:
    return not cell or cell == "–" or cell.lstrip("+-−±<≤ ")[:1].isdigit()


@runtime_checkable
class ReportingDomain(Protocol):
    """A domain with sections of its own in the final report, which the console shows, too."""

    def report_sections(self, settings: msgspec.Struct, session_seed: int) -> Sequence[ReportSection]:
        """Compute the sections; the same arguments give the same sections.

        Args:
            settings: The domain's own settings.
            session_seed: The seed of the session.
        """
