"""Stress a book of bonds, by published scenarios and one of your own, and search how little loses a tenth of it.

    python examples/stress_testing/stress_testing.py

The workspace is `$BONDX_HOME`, else the user's state folder; it keeps the test, which screen 8 of the console shows.
Exit code 1 says that a case loses more than the limit of this desk.
"""

import sys
from pathlib import Path

from bondx.ml import reverse_stress, stress

FOLDER = Path(__file__).parent
LARGEST_LOSS = 0.4  # of the market value


def main() -> int:
    """Print what the book loses, and what is the smallest shock that loses 10 %."""
    report = stress(
        FOLDER / "book.csv",
        scenarios=["rates_up", "downgrade_cascade", "thin_market"],
        severities=["severe"],
        scenario_files=[FOLDER / "own.yaml"],
        keep=True,
        reason="the book of the example",
    )
    print(f"{report.n_instruments} instruments of {report.market_value:.1f} {report.value_unit}")
    for case in report.cases:
        print(f"{case.scenario}, {case.severity}: {case.pnl_share:+.1%}")
    worst = report.worst
    print(f"worst: {worst.scenario}, by factor: {', '.join(f'{key} {pnl:+.2f}' for key, pnl in worst.factors.items())}")

    for shock in reverse_stress(FOLDER / "book.csv", loss=0.1, scenarios=["rates_up"], severities=["severe"]):
        found = "is not reached" if shock.size is None else f"takes {shock.size:.2f} {shock.unit}"
        print(f"a loss of 10 % {found}, {shock.direction}")

    return 1 if worst.pnl_share < -LARGEST_LOSS else 0


if __name__ == "__main__":
    sys.exit(main())
