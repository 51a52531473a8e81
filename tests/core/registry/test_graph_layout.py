"""Lines: whoever follows a line with a finger arrives where the version came from, and nowhere else."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.registry.graph_layout import Fold, GraphParent, GraphRow, draw, fold, in_ascii, in_order

NODE, DOWNWARDS, LEFTWARDS, RIGHTWARDS = "●", "│┊├┤┼", "├╭┬┼", "┤╮┬┼"


def graph(**sources: str) -> dict[str, list[GraphParent]]:
    """Spell a graph: what each node came from, as letters."""
    return {key: [GraphParent(name) for name in names] for key, names in sources.items()}


def pictured(sources: dict[str, list[GraphParent]]) -> list[str]:
    """Draw nodes that are named by age, the youngest being the last letter of the alphabet."""
    order = in_order({key: ord(key) for key in sources}, sources)
    return [f"{graph_row.text} {graph_row.key}" for graph_row in draw(order, sources)]


@pytest.mark.parametrize(
    ("sources", "picture"),
    [
        pytest.param(graph(a="", b="a", c="b"), ["● c", "● b", "● a"], id="a chain is one line"),
        pytest.param(graph(a="", b="a", c="a"), ["● c", "├─● b", "● a"], id="a branch joins the line of its parent"),
        pytest.param(graph(a="", b="a", c="a", d="bc"), ["●─╮ d", "│ ● c", "●─┤ b", "  ● a"], id="a merge"),
        pytest.param(
            graph(a="", b="a", c="a", d="a"), ["● d", "├─● c", "├───● b", "● a"], id="leaves never stand on each other"
        ),
        pytest.param(graph(a="", b=""), ["● b", "  ● a"], id="strangers never stand on each other"),
        pytest.param(
            graph(a="", b="", c="a", d="b", e="ca"), ["●─╮ e", "│ │ ● d", "●─┤ │ c", "  │ ● b", "  ● a"], id="crossing"
        ),
    ],
)
def test_branches_and_merges_are_visible(sources, picture) -> None:
    assert pictured(sources) == picture


@st.composite
def graphs(drawn) -> dict[str, list[GraphParent]]:
    n_nodes = drawn(st.integers(1, 14))
    return {
        str(node): [GraphParent(str(source)) for source in sorted(drawn(st.sets(st.integers(0, node - 1), max_size=4)))]
        if node
        else []
        for node in range(n_nodes)
    }


def followed(rows: list[str], keys: list[str], start: int) -> set[str]:
    """Follow every line that leaves a node downwards or sideways to the nodes at which it arrives."""

    def cell(row: int, column: int) -> str:
        return rows[row][column] if row < len(rows) and 0 <= column < len(rows[row]) else " "

    def down(row: int, column: int) -> set[str]:
        below = cell(row + 1, column)
        if below == NODE:
            return {keys[row + 1]}
        return down(row + 1, column) if below in DOWNWARDS else set()

    def sideways(column: int, step: int) -> set[str]:
        arrived = set()
        column += step
        while (sign := cell(start, column)) not in (" ", NODE):
            if sign in (RIGHTWARDS if step > 0 else LEFTWARDS):
                arrived |= down(start, column)
            column += step
        return arrived

    at = rows[start].index(NODE)
    return down(start, at) | sideways(at, 1) | sideways(at, -1)


@given(graphs())
def test_every_line_leads_to_a_parent_and_to_nothing_else(sources) -> None:
    order = in_order({key: int(key) for key in sources}, sources)
    graph = draw(order, sources)
    rows = [graph_row.text for graph_row in graph]
    for index, key in enumerate(order):
        assert followed(rows, order, index) == {source.key for source in sources[key]}, "\n".join(rows)
    assert all(in_ascii(row).isascii() for row in rows)


@given(graphs(), st.sets(st.integers(0, 13)))
def test_folding_loses_no_version_and_hides_no_branch(sources, kept) -> None:
    graph = draw(in_order({key: int(key) for key in sources}, sources), sources)
    rows = fold(graph, {str(key) for key in kept})
    assert [key for row in rows for key in (row.keys if isinstance(row, Fold) else [row.key])] == [r.key for r in graph]
    folded = {key for row in rows if isinstance(row, Fold) for key in row.keys}
    assert not folded & {str(key) for key in kept}
    assert all(len(sources[key]) < 2 for key in folded)


def test_a_long_chain_folds_to_a_few_rows() -> None:
    chain = [str(number) for number in range(1000)]
    sources = {key: [GraphParent(before)] for before, key in pairwise(chain)}
    rows = fold(draw(in_order({key: int(key) for key in chain}, sources), sources), {"500"})
    assert [row.key if isinstance(row, GraphRow) else len(row.keys) for row in rows] == ["999", 498, "500", 499, "0"]
    assert rows[1].text == "⋮"


def test_a_hundred_children_take_three_columns() -> None:
    sources = {str(number): [GraphParent("0")] for number in range(1, 100)} | {"0": []}
    graph = draw(in_order({key: int(key) for key in sources}, sources), sources)
    assert max(len(graph_row.text) for graph_row in graph) == 5


def test_a_supposed_parent_is_dotted() -> None:
    sources = {"2": [GraphParent("1", is_loose=True)], "1": []}
    assert [graph_row.through for graph_row in draw(["2", "1"], sources)] == ["┊", ""]


def test_a_circle_is_drawn_once() -> None:
    sources = graph(a="b", b="a")
    order = in_order({"a": 1, "b": 2}, sources)
    assert order == ["b", "a"]
    assert [graph_row.text for graph_row in draw(order, sources)] == ["●", "●"]


def test_a_node_without_an_age_is_below_its_descendants() -> None:
    sources = graph(a="", c="x", d="c", x="")
    assert in_order({"a": 1, "c": 2, "d": 3, "x": None}, sources) == ["d", "c", "x", "a"]
