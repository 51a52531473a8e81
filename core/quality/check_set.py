"""What the data of one domain is held to."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.quality.check import Check

if TYPE_CHECKING:
    from core.quality.cells import Cells


@dataclass(frozen=True, slots=True)
class CheckSet:
    """The checks of a domain.

    Attributes:
        checks: In the order in which they are shown.
        row_names: The columns that name a row, such as a bond and a date; the first few rows at fault are told by them.
    """

    checks: "tuple[Check[Cells], ...]"
    row_names: tuple[str, ...] = ()
