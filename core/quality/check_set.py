"""The checks on the data of one domain."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.quality.check import Check

if TYPE_CHECKING:
    from core.quality.cells import Cells


@dataclass(frozen=True, slots=True)
class CheckSet:
    """The checks of a domain.

    Attributes:
        checks: In display order.
        row_names: The columns that name a row, such as a bond and a date; they name the first few rows at fault.
    """

    checks: "tuple[Check[Cells], ...]"
    row_names: tuple[str, ...] = ()
