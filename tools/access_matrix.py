"""Write the table of roles and verbs in docs/access.md from the classes of verbs: python -m tools.access_matrix."""

from pathlib import Path

from core.access import VERBS, Role, VerbClass
from core.access.roles import classes_of

PAGE = Path(__file__).parents[1] / "docs" / "access.md"
BEGIN, END = "<!-- the matrix: python -m tools.access_matrix -->", "<!-- end of the matrix -->"

_WITHOUT_A_ROLE = {
    VerbClass.FOLLOWS: "part of another change, in the same transaction",
    VerbClass.ANYONE: "everybody",
}


def matrix() -> str:
    """Return the table: a row for each class of verbs that people do."""
    head = f"| Class | {' | '.join(Role)} | Verbs |"
    rule = f"| --- |{' --- |' * (len(Role) + 1)}"
    return "\n".join((head, rule, *(_row(kind) for kind in VerbClass if kind is not VerbClass.ENGINE)))


def page(text: str) -> str:
    """Return the page with the table of today in the place of the one in it."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{matrix()}\n\n{END}{after}"


def _row(kind: VerbClass) -> str:
    verbs = " ".join(f"`{verb}`" for verb, its in VERBS.items() if its is kind)
    if (others := _WITHOUT_A_ROLE.get(kind)) is not None:
        return f"| {kind} |{' |' * len(Role)} {verbs}: {others} |"
    held = " | ".join("yes" if kind in classes_of(role) else "" for role in Role)
    return f"| {kind} | {held} | {verbs} |"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
