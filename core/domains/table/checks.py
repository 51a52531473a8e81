"""The checks on a user's table before training."""

from collections.abc import Sequence

from core.quality.check import Check
from core.quality.check_set import CheckSet
from core.quality.checks.completeness import coverage


def table_checks(names: Sequence[str]) -> CheckSet:
    """Return the checks of a table.

    Args:
        names: The model's columns.
    """
    return CheckSet(
        checks=(
            Check(
                "coverage",
                coverage(names, by_column=True),
                ">=",
                lambda s: s.coverage_min,
                "%",
                blocking=True,
                dimension="completeness",
            ),
        )
    )
