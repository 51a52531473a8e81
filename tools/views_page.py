"""Write the reference of panes in docs/views.md from the catalog of panes: python -m tools.views_page."""

from pathlib import Path

from core.saved_views import PANES

PAGE = Path(__file__).parents[1] / "docs" / "views.md"
BEGIN, END = "<!-- the panes: python -m tools.views_page -->", "<!-- end of the panes -->"


def reference() -> str:
    """Return the table: a row for each pane."""
    rows = (
        f"| `{kind.name}` | {kind.summary} | {' '.join(f'`{column}`' for column in kind.columns) or 'none'} |"
        for kind in PANES.values()
    )
    return "\n".join(("| Pane | Rows | Columns |", "| --- | --- | --- |", *rows))


def page(text: str) -> str:
    """Return the page with the table of today in the place of the one in it."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{reference()}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
