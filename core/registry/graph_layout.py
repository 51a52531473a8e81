"""A graph drawn down the left edge of a list, one row per node, as version control draws its log.

The descendants of a node are above it, its sources below. Every awaited node has one line of its own, which all its
descendants join: a node with a hundred children takes two columns, not a hundred.
"""

import heapq
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import NamedTuple

MIN_FOLDED = 3  # fewer rows are not worth a row that counts them

_NODE = "●"
_ASCII = str.maketrans("│┊─├┤┼╮╭┬⋮●", "|:-++++++~*")


class GraphParent(NamedTuple):
    """A source of a node; a supposed source is loose and drawn as a dotted line."""

    key: str
    is_loose: bool = False


class GraphRow(NamedTuple):
    """The lines of one row: those left of the node, and those right of it."""

    key: str
    before: str
    after: str
    is_plain: bool  # nothing begins, ends or branches here, so rows like it can be folded into a count
    column: int
    through: str  # the lines that leave the row downwards

    @property
    def text(self) -> str:
        """The row with a dot for its node."""
        return f"{self.before}{_NODE}{self.after}".rstrip()


class Fold(NamedTuple):
    """A row that represents several folded rows."""

    keys: tuple[str, ...]
    text: str


class _Lane(NamedTuple):
    awaited: str
    sign: str


def in_order(ranks: Mapping[str, int | None], sources: Mapping[str, Sequence[GraphParent]]) -> list[str]:
    """Put every node above its sources, the highest rank first.

    Args:
        ranks: Every node; a node without a rank is placed right below its last descendant.
        sources: The sources of each node. A cycle begins with its node of the highest rank.

    >>> in_order({"1": 1, "2": 2, "3": 3}, {"3": [GraphParent("1")], "2": [GraphParent("1")]})
    ['3', '2', '1']
    """
    n_children = dict.fromkeys(ranks, 0)
    for key in ranks:
        for source in sources.get(key, ()):
            n_children[source.key] += 1
    lowest = -1 - max((rank for rank in ranks.values() if rank is not None), default=0)
    heap_key = {key: (lowest if rank is None else -rank, key) for key, rank in ranks.items()}
    ready = [heap_key[key] for key, n in n_children.items() if n == 0]
    heapq.heapify(ready)
    stuck = sorted(heap_key.values(), reverse=True)
    ordered: dict[str, None] = {}
    while len(ordered) < len(ranks):
        while not ready:
            candidate = stuck.pop()
            ready = [candidate] if candidate[1] not in ordered else []
        _, key = heapq.heappop(ready)
        if key in ordered:
            continue
        ordered[key] = None
        for source in sources.get(key, ()):
            n_children[source.key] -= 1
            if n_children[source.key] == 0:
                heapq.heappush(ready, heap_key[source.key])
    return list(ordered)


def draw(order: Sequence[str], sources: Mapping[str, Sequence[GraphParent]]) -> list[GraphRow]:
    """Draw the lines of every node.

    Args:
        order: Every node, above its sources.
        sources: The sources of each node. A source already drawn above it, as in a cycle, gets no line.

    >>> sources = {"1.2": [GraphParent("1.0"), GraphParent("1.1")], "1.1": [GraphParent("1.0")]}
    >>> print(*(f"{row.text:4} {row.key}" for row in draw(["1.2", "1.1", "1.0"], sources)), sep="\\n")
    ●─╮  1.2
    ├─●  1.1
    ●    1.0
    """
    lanes: list[_Lane | None] = []
    drawn: set[str] = set()
    graph: list[GraphRow] = []
    for key in order:
        column = _awaiting(key, lanes)
        if column is None:
            # Right below the end of another line it would look like a continuation of that line.
            column = _free(lanes, 0, avoid=graph[-1].column if graph else None)
        above = list(lanes)
        lanes[column] = None
        drawn.add(key)
        ends = set()
        fresh = [source for source in dict.fromkeys(sources.get(key, ())) if source.key not in drawn]
        for source in fresh:
            end = _awaiting(source.key, lanes)
            if end is None:
                end = column if lanes[column] is None else _free(lanes, column + 1)
                lanes[end] = _Lane(source.key, "┊" if source.is_loose else "│")
            if end != column:
                ends.add(end)
        graph.append(_graph_row(key, column, above, lanes, ends, is_simple=len(fresh) <= 1))
        while lanes and lanes[-1] is None:
            lanes.pop()
    return graph


def fold(graph: Sequence[GraphRow], kept: Collection[Hashable]) -> list[GraphRow | Fold]:
    """Fold each run of plain rows into one row, except for the kept rows.

    >>> chain = [str(number) for number in range(9, 0, -1)]
    >>> graph = draw(chain, {a: [GraphParent(b)] for a, b in zip(chain, chain[1:])})
    >>> [row.key if isinstance(row, GraphRow) else len(row.keys) for row in fold(graph, {"7"})]
    ['9', '8', '7', 5, '1']
    """
    rows: list[GraphRow | Fold] = []
    run: list[GraphRow] = []
    for graph_row in graph:
        if graph_row.is_plain and graph_row.key not in kept:
            run.append(graph_row)
            continue
        rows += _folded(run)
        run = []
        rows.append(graph_row)
    return [*rows, *_folded(run)]


def in_ascii(lines: str) -> str:
    """Draw the lines in ASCII, for a terminal without line characters.

    >>> in_ascii("├─┤ ┊ ")
    '+-+ : '
    """
    return lines.translate(_ASCII)


def _folded(run: Sequence[GraphRow]) -> list[GraphRow | Fold]:
    if len(run) < MIN_FOLDED:
        return list(run)
    places = {2 * graph_row.column for graph_row in run}
    cells = run[-1].through.ljust(max(places) + 1)
    text = "".join("⋮" if place in places else cell for place, cell in enumerate(cells))
    return [Fold(tuple(graph_row.key for graph_row in run), text.rstrip())]


def _awaiting(key: str, lanes: Sequence[_Lane | None]) -> int | None:
    return next((index for index, lane in enumerate(lanes) if lane is not None and lane.awaited == key), None)


def _free(lanes: list[_Lane | None], start: int, *, avoid: int | None = None) -> int:
    """Find the first free lane from `start` on, or add a lane."""
    index = start
    while index == avoid or (index < len(lanes) and lanes[index] is not None):
        index += 1
    lanes.extend([None] * (index + 1 - len(lanes)))
    return index


def _graph_row(
    key: str,
    column: int,
    above: Sequence[_Lane | None],
    below: Sequence[_Lane | None],
    ends: Collection[int],
    *,
    is_simple: bool,
) -> GraphRow:
    first, last = min((column, *ends)), max((column, *ends))
    cells = []
    for index in range(len(below)):
        upper = above[index] if index < len(above) else None
        lower = below[index]
        if index == column:
            sign = _NODE
        elif index in ends:
            sign = _joint(from_left=index > first, to_right=index < last, from_above=upper is not None)
        elif lower is not None:
            sign = lower.sign  # a line across it passes behind
        else:
            sign = "─" if first < index < last else " "
        cells += [sign, "─" if first <= index < last else " "]
    place = 2 * column
    return GraphRow(
        key=key,
        before="".join(cells[:place]),
        after="".join(cells[place + 1 :]).rstrip(),
        is_plain=is_simple and _occupied(above) == _occupied(below),
        column=column,
        through=" ".join(" " if lane is None else lane.sign for lane in below).rstrip(),
    )


def _joint(*, from_left: bool, to_right: bool, from_above: bool) -> str:
    if from_left and to_right:
        return "┼" if from_above else "┬"
    if from_left:
        return "┤" if from_above else "╮"
    return "├" if from_above else "╭"


def _occupied(lanes: Sequence[_Lane | None]) -> list[int]:
    return [index for index, lane in enumerate(lanes) if lane is not None]
