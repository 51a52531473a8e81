"""Two stress tests side by side: what each case loses now, and lost then."""

import msgspec

from core.errors import UsageError
from core.stress.stored_tests import StressTest


class CaseChange(msgspec.Struct, frozen=True, kw_only=True):
    """One case of two tests; None where a test did not have it."""

    scenario: str
    severity: str
    pnl_share_before: float | None
    pnl_share: float | None
    impact_before: float | None
    impact: float | None

    @property
    def change(self) -> float | None:
        """How much the profit has moved, as a share of market value."""
        if self.pnl_share is None or self.pnl_share_before is None:
            return None
        return self.pnl_share - self.pnl_share_before


def compare_tests(before: StressTest, after: StressTest) -> tuple[CaseChange, ...]:
    """Compare the cases of two tests, in the order of the later.

    Raises:
        UsageError: They are of different domains.
    """
    if before.domain != after.domain:
        raise UsageError(f"{before.test_id} is of {before.domain}, and {after.test_id} of {after.domain}.")
    old, new = ({case.key: case for case in test.cases} for test in (before, after))
    found = []
    for key in dict.fromkeys((*new, *old)):
        was, now = old.get(key), new.get(key)
        named = now or was
        assert named is not None
        found.append(
            CaseChange(
                scenario=named.scenario,
                severity=named.severity,
                pnl_share_before=was.pnl_share if was else None,
                pnl_share=now.pnl_share if now else None,
                impact_before=was.impact if was else None,
                impact=now.impact if now else None,
            )
        )
    return tuple(found)
