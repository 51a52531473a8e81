"""The checks on the data of one domain."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import UsageError
from core.escape import shown
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

    def require_known(self, limits: Iterable[str]) -> None:
        """Refuse `quality_gates.limits` that names a gate which is not among these.

        Args:
            limits: The names.
        Raises:
            UsageError: There is no such gate; the message lists those that there are.
        """
        gates = [check.name for check in self.checks]
        for name in limits:
            if name not in gates:
                raise UsageError(
                    f"quality_gates.limits names {shown(name)}, which is no gate here: {', '.join(gates)}."
                )
