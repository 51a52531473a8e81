"""From text to nodes: the grammar is read by `promql_parser`; what is not evaluated here is refused by name."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import promql_parser

from core.promql.aggregations import AGGREGATIONS
from core.promql.binary import ARITHMETIC, COMPARISON, SETS, Matching
from core.promql.cost import require_affordable
from core.promql.errors import PromqlError, is_panic
from core.promql.fault_place import UNPLACED, place_of_fault
from core.promql.patterns import LabelPattern
from core.promql.plan import (
    DEFAULT_SUBQUERY_STEP_MS,
    Absent,
    Aggregation,
    Binary,
    FunctionCall,
    Negation,
    Node,
    Number,
    RangeCall,
    RangeNode,
    RangeSelector,
    Selector,
    Subquery,
    Text,
    TimeModifier,
    absent_labels,
)
from core.promql.range_functions import RANGE_FUNCTIONS
from core.promql.series import NAME, Matcher
from core.promql.string_literals import with_plain_strings, without_strings
from core.promql.vector_functions import BOUND_FUNCTIONS, DATE_FUNCTIONS, PLAIN_FUNCTIONS, check_label_name

MAXIMUM_CHARACTERS = 16_384
MAXIMUM_DEPTH = 100
"""How deep brackets may nest: the parser and the evaluation call themselves for each."""
MAXIMUM_OPERATORS = 500
_CALLS = frozenset(
    {"time", "pi", "vector", "scalar", "timestamp", "histogram_quantile", "sort", "sort_desc", "label_replace"}
    | {"label_join", "clamp", *PLAIN_FUNCTIONS, *BOUND_FUNCTIONS, *DATE_FUNCTIONS}
)
_WORD_START = re.compile(r"(?<!^)(?=[A-Z])")
_SUBQUERY_RANGE = re.compile(r"\[[^\[\]]*:[^\[\]]*\]")
_COUNTED = re.compile(r"\b(?:topk|bottomk)\b(?=\s*(?:\(|(?:by|without)\b))", re.IGNORECASE)
_INSTANT = re.compile(
    r"@\s*(?P<sign>[-+]?)\s*(?P<number>0[xX][0-9a-fA-F]+|[0-9]*\.?[0-9]*[eE][-+]?[0-9]+|[\w.]*)", re.ASCII
)
_LATEST_MS = 2**61
"""So far from 1970 a time with an offset and a range is still one of 64 bits."""
_OPERATOR = re.compile(r"[-+*/%^<>=!]|\b(?:and|or|unless|atan2)\b", re.IGNORECASE)


def read_expression(text: str) -> Node:
    """Return the nodes of an expression.

    Raises:
        PromqlError: It cannot be read, has a part that is not evaluated here, or is too costly for any series.
    """
    _check_size(text)
    try:  # around the reader, too: what the tree holds is converted when it is asked for, and that fails like parsing
        root = _Reader(text).node(_parsed(text))
    except (OverflowError, ValueError) as error:
        raise PromqlError(f"A number in the expression is out of range: {error}.") from None
    except BaseException as error:
        if not is_panic(error):
            raise
        raise PromqlError("The parser failed on this expression.") from None
    require_affordable(root)
    return root


def _parsed(text: str) -> Any:
    try:
        return promql_parser.parse(with_plain_strings(text))  # in raw strings, the parser looks for escapes
    except (ValueError, OverflowError, TypeError) as error:
        if str(error) == UNPLACED:
            place, told = place_of_fault(text)
            raise PromqlError(told, place) from None
        raise PromqlError(_clean(str(error)), _place(text, str(error))) from None


def _check_size(text: str) -> None:
    if not text.strip():
        raise PromqlError("The expression is empty.", 0)
    if len(text) > MAXIMUM_CHARACTERS:
        raise PromqlError(f"The expression has {len(text)} characters; it may have {MAXIMUM_CHARACTERS}.")
    if "\0" in text:
        raise PromqlError("The expression holds a NUL character.", text.index("\0"))
    bare = without_strings(text)
    depth = 0
    for at, character in enumerate(bare):
        depth += (character in "([{") - (character in ")]}")
        if depth > MAXIMUM_DEPTH:
            raise PromqlError(f"The expression nests more than {MAXIMUM_DEPTH} brackets.", at)
    operators = list(_OPERATOR.finditer(bare))
    if len(operators) > MAXIMUM_OPERATORS:
        raise PromqlError(
            f"The expression has more than {MAXIMUM_OPERATORS} operators.", operators[MAXIMUM_OPERATORS].start()
        )


def _clean(message: str) -> str:
    return (message[:1].upper() + message[1:]).rstrip(".") + "." if message else "The expression cannot be read."


def _place(text: str, message: str) -> int | None:
    """Find where in the text a message of the parser points to: the names that it quotes."""
    if found := re.search(r"(?i)unexpected character: '(.+)'$", message):
        at = without_strings(text).find(found[1][-1])
        return at if at >= 0 else None
    quoted = re.findall(r"'([^']+)'|\"([^\"]+)\"|for (\S+)$", message)
    for groups in quoted:
        word = next(filter(None, groups))
        if text.count(word) == 1:
            return text.index(word)
    if "end of input" in message or "unclosed" in message:
        return len(text)
    return None


def _fixed_number(node: Node | None) -> float | None:
    """Return the value of a number, with its signs; None of what depends on series."""
    if isinstance(node, Negation):
        inner = _fixed_number(node.inner)
        return None if inner is None else -inner
    return node.value if isinstance(node, Number) else None


def _ms(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)


class _Reader:
    """Turns the parser's tree into nodes."""

    def __init__(self, text: str) -> None:
        self._text = text
        bare = without_strings(text)
        self._subquery_places = [found.start() for found in _SUBQUERY_RANGE.finditer(bare)]
        self._n_subqueries = 0
        self._instants = list(_INSTANT.finditer(bare))
        self._n_instants = 0
        self._counted_places = [found.start() for found in _COUNTED.finditer(bare)]
        self._n_counted = 0

    def node(self, tree: Any) -> Node:
        """Return the node of a part of the tree."""
        reader: Callable[[Any], Node] | None = getattr(
            self, f"_{_WORD_START.sub('_', type(tree).__name__).lower()}", None
        )
        if reader is None:
            raise self._refused(type(tree).__name__)
        return reader(tree)

    def _refused(self, name: str) -> PromqlError:
        found = re.search(rf"\b{re.escape(name)}\b", self._text)
        return PromqlError(f"{name} is not evaluated by BondX.", found.start() if found else None)

    def _range(self, tree: Any) -> RangeNode:
        while isinstance(tree, promql_parser.ParenExpr):
            tree = tree.expr
        node = self.node(tree)
        if not isinstance(node, RangeNode):
            raise PromqlError("A range vector is needed here, such as x[5m].")
        return node

    def _paren_expr(self, tree: promql_parser.ParenExpr) -> Node:
        return self.node(tree.expr)

    def _number_literal(self, tree: promql_parser.NumberLiteral) -> Node:
        return Number(tree.val)

    def _string_literal(self, tree: promql_parser.StringLiteral) -> Node:
        return Text(tree.val)

    def _unary_expr(self, tree: promql_parser.UnaryExpr) -> Node:
        return Negation(self.node(tree.expr))

    def _vector_selector(self, tree: promql_parser.VectorSelector) -> Node:
        return Selector(self._matchers(tree), self._moment(tree))

    def _matrix_selector(self, tree: promql_parser.MatrixSelector) -> Node:
        selector = tree.vector_selector
        return RangeSelector(self._matchers(selector), self._moment(selector), max(_ms(tree.range), 1))

    def _subquery_expr(self, tree: promql_parser.SubqueryExpr) -> Node:
        assert tree.range is not None
        step_ms = DEFAULT_SUBQUERY_STEP_MS if tree.step is None else max(_ms(tree.step), 1)
        inner = self.node(tree.expr)
        # Its range follows its expression, so subqueries end in the order in which their ranges are written.
        places, at = self._subquery_places, self._n_subqueries
        self._n_subqueries += 1
        place = places[at] if at < len(places) else None
        return Subquery(inner, self._moment(tree), max(_ms(tree.range), 1), step_ms, place)

    def _moment(self, tree: promql_parser.VectorSelector | promql_parser.SubqueryExpr) -> TimeModifier:
        offset_ms = 0 if tree.offset is None else _ms(tree.offset)
        if tree.at is None:
            return TimeModifier(offset_ms)
        # The parser gives an instant as a time of the system, which it cannot do before 1970 and after 9999: it is
        # read from the text. As with subqueries, the nodes are visited in the order in which the instants are written.
        written = self._instants[self._n_instants]
        self._n_instants += 1
        match str(tree.at.type).rpartition(".")[2]:
            case "Start":
                return TimeModifier(offset_ms, "start")
            case "End":
                return TimeModifier(offset_ms, "end")
        number = promql_parser.parse(written["number"])
        assert isinstance(number, promql_parser.NumberLiteral)
        at_ms = round(number.val * 1000)
        if at_ms > _LATEST_MS:
            raise PromqlError("The instant after @ is out of range.", written.start())
        return TimeModifier(offset_ms, -at_ms if written["sign"] == "-" else at_ms)

    def _matchers(self, tree: promql_parser.VectorSelector) -> tuple[Matcher, ...]:
        if tree.matchers.or_matchers:
            raise PromqlError("`or` between matchers is not evaluated by BondX: write two selectors joined by `or`.")
        matchers = [] if tree.name is None else [Matcher(NAME, "=", tree.name)]
        for one in tree.matchers.matchers:
            matchers.append(Matcher(one.name, _OPS[str(one.op).rpartition(".")[2]], one.value))
            if matchers[-1].op in ("=~", "!~"):
                LabelPattern.of(one.value)
        if all(matcher.matches("") for matcher in matchers):
            raise PromqlError("A selector needs at least one matcher that does not match the empty string.")
        return tuple(matchers)

    def _aggregate_expr(self, tree: promql_parser.AggregateExpr) -> Node:
        name = str(tree.op)
        if name not in AGGREGATIONS:
            raise self._refused(name)
        modifier = tree.modifier
        place = None
        if name in ("topk", "bottomk"):  # visited in the order in which they are written
            place = self._counted_places[self._n_counted] if self._n_counted < len(self._counted_places) else None
            self._n_counted += 1
        parameter = None if tree.param is None else self.node(tree.param)
        if place is not None and (fixed := _fixed_number(parameter)) is not None and not abs(fixed) < 2**63:
            raise PromqlError(f"{name} keeps a number of series: {fixed:g} is none.", place)
        if name == "count_values":
            if not isinstance(parameter, Text):
                raise PromqlError("count_values needs a string as its first argument.")
            check_label_name(parameter.value, name)
        keeps = modifier is None or str(modifier.type).endswith("By")
        labels = () if modifier is None else tuple(modifier.labels)
        return Aggregation(name, self.node(tree.expr), parameter, labels, keeps, place)

    def _binary_expr(self, tree: promql_parser.BinaryExpr) -> Node:
        op = str(tree.op)
        if op not in ARITHMETIC and op not in COMPARISON and op not in SETS:
            raise self._refused(op)
        left, right, modifier = self.node(tree.lhs), self.node(tree.rhs), tree.modifier
        if modifier is None:
            return Binary(op, left, right, Matching(), is_bool=False)
        if modifier.fill_values is not None and (modifier.fill_values.lhs, modifier.fill_values.rhs) != (None, None):
            raise self._refused("fill")
        many = {"ManyToOne": "left", "OneToMany": "right"}.get(str(modifier.card).rpartition(".")[2], "")
        include = tuple(modifier.group_labels or ())
        if modifier.matching is None:
            return Binary(op, left, right, Matching((), False, many, include), is_bool=modifier.return_bool)
        is_on = str(modifier.matching.type).endswith("Include")
        names = tuple(modifier.matching.labels)
        return Binary(op, left, right, Matching(names, is_on, many, include), is_bool=modifier.return_bool)

    def _call(self, tree: promql_parser.Call) -> Node:
        name, arguments = tree.func.name, list(tree.args)
        if name in ("absent", "absent_over_time"):
            inner = self._range(arguments[0]) if name == "absent_over_time" else self.node(arguments[0])
            return Absent(inner, absent_labels(inner))
        if name in RANGE_FUNCTIONS:
            if name == "quantile_over_time":
                share = self.node(arguments[0])
                return RangeCall(name, self._range(arguments[1]), (share,))
            over = self._range(arguments[0])
            return RangeCall(name, over, tuple(self.node(argument) for argument in arguments[1:]))
        if name not in _CALLS:
            raise self._refused(name)
        nodes = tuple(self.node(argument) for argument in arguments)
        pattern = None
        if name in ("label_replace", "label_join"):
            texts = [node.value for node in nodes[1:] if isinstance(node, Text)]
            if len(texts) != len(nodes) - 1:
                raise PromqlError(f"{name} needs strings after its vector.")
            check_label_name(texts[0], name)
            for source in texts[2:] if name == "label_join" else ():
                check_label_name(source, name)
            pattern = LabelPattern.of(texts[3]) if name == "label_replace" else None
        return FunctionCall(name, nodes, pattern)


_OPS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}
