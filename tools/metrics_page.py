"""Write the table of metrics into docs/monitoring.md: python -m tools.metrics_page."""

import re
from pathlib import Path

from core.metrics.catalogue import catalogue_table

PAGE = Path(__file__).parents[1] / "docs" / "monitoring.md"
_BLOCK = re.compile(r"(<!-- the metrics:[^\n]*-->\n).*?(<!-- end of the metrics -->)", re.DOTALL)


def with_table(page: str) -> str:
    """Return the page with the table as the code has it."""
    written, n = _BLOCK.subn(lambda block: f"{block[1]}\n{catalogue_table()}\n\n{block[2]}", page)
    if n != 1:
        raise ValueError(f"{PAGE.name} needs the two comments that enclose the table once, and has them {n} times")
    return written


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
