"""Finding runs by an expression: `metrics.mae < 0.2 and params.model = 'spread'`.

    expression  := and-part ("or" and-part)*
    and-part    := part ("and" part)*
    part        := "not" part | "(" expression ")" | comparison
    comparison  := field ("=" | "!=" | "<" | "<=" | ">" | ">=") value
                 | field ["not"] "in" "(" value ("," value)* ")"
                 | field ["not"] ("like" | "ilike") text
                 | field "is" ["not"] "null"
    field       := ("metrics" | "params" | "tags" | "data") "." name | attribute
    name        := words with dots, dashes and slashes, or anything in backticks or double quotes
    value       := number | 'text' | "text" | true | false

MLflow's filters are read as MLflow reads them: metrics."avg model score", params.`batch size`, attributes.run_name,
attr.start_time > 1664067852747 (milliseconds since 1970), status = 'KILLED'. A status is read without regard to case.

Whole numbers compare exactly, whatever their length. In quotes, a backslash takes the next character as it is:
`'it\\'s'`, `"C:\\\\data"`. After `like`, `%` stands for any characters and `_` for one; `\\%` and `\\_` are these
characters. `ilike` ignores case. A field that is a time takes a day or an instant: `'2026-03-01'`,
`'2026-03-01T10:30+01:00'`; without an offset it is UTC.

A run that lacks a field fails every comparison of it except `is null`. Nothing is ever evaluated as code.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from core.clock import as_utc, to_iso
from core.errors import UsageError
from core.tracking.fields import FieldKind, RunField, field_named, nearest_field
from core.tracking.patterns import like_pattern, unescaped
from core.tracking.run import Run, RunStatus
from core.typed_numbers import decimal_number, whole_number

Predicate: TypeAlias = Callable[[Run], bool]
Value: TypeAlias = float | int | str | bool

MAX_CHARACTERS = 10_000
MAX_DEPTH = 50

_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_EQUALITIES = frozenset({"=", "==", "!=", "<>"})
_KEYWORDS = frozenset({"and", "or", "not", "in", "like", "ilike", "is", "null", "true", "false"})
_STATUSES: Mapping[str, RunStatus] = {**{str(status): status for status in RunStatus}, "killed": RunStatus.STOPPED}
_STATUSES_IN_WORDS = f"{', '.join(RunStatus)}, in quotes"
_FIRST_MILLISECONDS = 100_000_000_000  # in 1973; a smaller number counts seconds, or is a date without dashes
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?(?![\w.]))
      | (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
      | (?P<operator><=|>=|!=|<>|==|[=<>])
      | (?P<mark>[(),])
      | (?P<word>(?:[A-Za-z_]\w*|`[^`]+`)\.(?:`[^`]+`|"(?:[^"\\]|\\.)+")
               |`[^`]+`(?:\.[\w./:-]*\w)?
               |[A-Za-z_](?:[\w./:-]*\w)?)
    )""",
    re.VERBOSE,
)


class ExpressionError(UsageError):
    """The expression cannot be read; the message shows where."""

    def __init__(self, text: str, position: int, problem: str) -> None:
        before, after = text[max(0, position - 30) : position], text[position : position + 20]
        cut = "…" if position > 30 else ""
        super().__init__(f"{problem}, at character {position + 1}: {cut}{before}▸{after}")
        self.position = position


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # number, text, operator, mark, word, end
    text: str
    position: int

    @property
    def keyword(self) -> str:
        """The word in lower case, if it is a keyword."""
        word = self.text.lower()
        return word if self.kind == "word" and word in _KEYWORDS else ""

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else self.text


def parse(text: str) -> Predicate:
    """Read an expression and return a predicate that decides whether a run matches.

    Raises:
        ExpressionError: It cannot be read; the message names the place and what is expected there.
    """
    if len(text) > MAX_CHARACTERS:
        problem = f"the expression has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read"
        raise ExpressionError(text, MAX_CHARACTERS, problem)
    parser = _Parser(text, _tokens(text))
    predicate = parser.expression(0)
    parser.expect_end()
    return predicate


def _tokens(text: str) -> list[_Token]:
    tokens = []
    position = 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            at = position + len(text[position:]) - len(text[position:].lstrip())
            raise ExpressionError(text, at, _unexpected(text, at))
        tokens.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
        position = match.end()
    return [*tokens, _Token("end", "", len(text))]


def _unexpected(text: str, at: int) -> str:
    if text[at] in "'\"":
        return "this text has no closing quote"
    if text[at] == "." and text[at + 1 : at + 2] in ("`", '"'):
        return "a name in quotes follows a section, such as metrics, and has a character and a closing quote"
    return f"{text[at]!r} is not expected here"


class _Parser:
    """One pass over the tokens, one method per rule of the grammar."""

    def __init__(self, text: str, tokens: list[_Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._index = 0

    def expression(self, depth: int) -> Predicate:
        if depth > MAX_DEPTH:
            raise self._error(self._next, f"nested more than {MAX_DEPTH} deep")
        parts = [self._and_part(depth)]
        while self._take_keyword("or"):
            parts.append(self._and_part(depth))
        return parts[0] if len(parts) == 1 else lambda run: any(part(run) for part in parts)

    def expect_end(self) -> None:
        if self._next.kind != "end":
            raise self._error(self._next, f"expected `and`, `or` or the end instead of {self._next}")

    def _and_part(self, depth: int) -> Predicate:
        parts = [self._part(depth)]
        while self._take_keyword("and"):
            parts.append(self._part(depth))
        return parts[0] if len(parts) == 1 else lambda run: all(part(run) for part in parts)

    def _part(self, depth: int) -> Predicate:
        negations = 0
        while self._take_keyword("not"):
            negations += 1
        if self._take_mark("("):
            inside = self.expression(depth + 1)
            self._expect_mark(")")
        else:
            inside = self._comparison()
        return (lambda run: not inside(run)) if negations % 2 else inside

    def _comparison(self) -> Predicate:
        token = self._take()
        if token.keyword or (token.kind != "word" and token.text[:1] != '"'):
            raise self._error(token, f"expected a field such as metrics.mae instead of {token}")
        field = self._field(token)
        of_run = field.of_run
        if self._take_keyword("is"):
            negated = self._take_keyword("not")
            if not self._take_keyword("null"):
                raise self._error(self._next, f"expected `null` instead of {self._next}")
            return lambda run: (of_run(run) is None) != negated
        negated = self._take_keyword("not")
        if self._take_keyword("in"):
            return _present(of_run, self._choices(field.kind), negated)
        if self._next.keyword in ("like", "ilike"):
            return self._likeness(token, field, negated)
        sign = self._take()
        if negated or sign.kind != "operator":
            wanted = "`in`, `like` or `ilike`" if negated else "=, !=, <, <=, >, >=, `in`, `like`, `ilike` or `is`"
            raise self._error(sign, f"expected {wanted} after {token} instead of {sign}")
        if field.kind is FieldKind.STATUS and sign.text not in _EQUALITIES:
            raise self._error(sign, f"statuses have no order: compare with =, != or `in`, with {_STATUSES_IN_WORDS}")
        at = self._next
        value = self._value(field.kind)
        if isinstance(value, bool) and sign.text not in _EQUALITIES:
            raise self._error(at, "true and false can be compared only with = and !=")
        return _compared(of_run, _OPERATORS[sign.text], value)

    def _field(self, token: _Token) -> RunField:
        if (field := field_named(token.text)) is None:
            raise self._error(token, f"there is no field {token}: {nearest_field(token.text)}")
        return field

    def _likeness(self, name: _Token, field: RunField, negated: bool) -> Predicate:
        """Read `like` or `ilike` and its pattern; a pattern that no status has is refused, as a status is."""
        word, token = self._take(), self._take()
        if field.kind in (FieldKind.NUMBER, FieldKind.TRUTH):
            raise self._error(word, f"`{word.keyword}` compares text, and {name} is not text")
        is_status = field.kind is FieldKind.STATUS
        if token.kind != "text":
            say = f"; the statuses are {_STATUSES_IN_WORDS}" if is_status else ""
            raise self._error(token, f"expected text in quotes after `{word.keyword}` instead of {token}{say}")
        pattern = like_pattern(token.text[1:-1], ignore_case=is_status or word.keyword == "ilike")
        of_run = field.of_run
        if not is_status:
            return lambda run: (
                (found := of_run(run)) is not None and (pattern.fullmatch(_text(found)) is not None) != negated
            )
        if not (matched := {status for text, status in _STATUSES.items() if pattern.fullmatch(text)}):
            raise self._error(token, f"no status is like {token}: the statuses are {', '.join(RunStatus)}")
        return lambda run: (run.status in matched) != negated

    def _choices(self, kind: FieldKind) -> list[Value]:
        self._expect_mark("(")
        values = [self._value(kind)]
        while self._take_mark(","):
            values.append(self._value(kind))
        self._expect_mark(")")
        return values

    def _value(self, kind: FieldKind) -> Value:
        token = self._take()
        if kind in (FieldKind.TIME, FieldKind.MILLISECONDS):
            return self._instant(token, kind)
        if kind is FieldKind.STATUS:
            return self._status(token)
        if kind is FieldKind.TRUTH:
            return self._truth(token)
        if token.kind == "number":
            return _number(token.text)
        if kind is FieldKind.NUMBER:
            raise self._error(token, f"expected a number instead of {token}")
        if token.kind == "text":
            return _unquoted(token)
        if token.keyword in ("true", "false"):
            return token.keyword == "true"
        hint = "; put text in quotes" if token.kind == "word" else ""
        raise self._error(token, f"expected a number or text in quotes instead of {token}{hint}")

    def _status(self, token: _Token) -> str:
        """Read a status in capitals or not; MLflow writes them in capitals, and calls a stopped run killed."""
        if token.kind != "text":
            raise self._error(token, f"expected a status instead of {token}: write one of {_STATUSES_IN_WORDS}")
        if (status := _STATUSES.get(_unquoted(token).lower())) is None:
            raise self._error(token, f"there is no status {token}: write one of {', '.join(RunStatus)}")
        return str(status)

    def _truth(self, token: _Token) -> bool:
        word = _unquoted(token).lower() if token.kind == "text" else token.keyword
        if word not in ("true", "false"):
            raise self._error(token, f"expected true or false instead of {token}")
        return word == "true"

    def _instant(self, token: _Token, kind: FieldKind) -> str:
        """Write a day or an instant in the format of runs, so that text sorts as time does."""
        if kind is FieldKind.MILLISECONDS and token.kind == "number":
            return self._instant_of_number(token)
        try:
            return to_iso(as_utc(datetime.fromisoformat(_unquoted(token) if token.kind == "text" else "")))
        except ValueError:
            also = " or milliseconds since 1970" if kind is FieldKind.MILLISECONDS else ""
            raise self._error(token, f"expected a time such as '2026-03-01'{also} instead of {token}") from None

    def _instant_of_number(self, token: _Token) -> str:
        number = _number(token.text)
        if 0 < number < _FIRST_MILLISECONDS:
            raise self._error(token, f"{token} is in 1970 to 1973 as milliseconds; write a time such as '2026-03-01'")
        try:
            return to_iso(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=number))
        except (OverflowError, ValueError):
            raise self._error(token, f"{token} milliseconds since 1970 are beyond the calendar") from None

    @property
    def _next(self) -> _Token:
        return self._tokens[self._index]

    def _take(self) -> _Token:
        token = self._next
        if token.kind != "end":
            self._index += 1
        return token

    def _take_keyword(self, word: str) -> bool:
        if self._next.keyword != word:
            return False
        self._index += 1
        return True

    def _take_mark(self, mark: str) -> bool:
        if self._next.kind != "mark" or self._next.text != mark:
            return False
        self._index += 1
        return True

    def _expect_mark(self, mark: str) -> None:
        if not self._take_mark(mark):
            raise self._error(self._next, f"expected {mark} instead of {self._next}")

    def _error(self, token: _Token, problem: str) -> ExpressionError:
        return ExpressionError(self._text, token.position, problem)


def _compared(field: Callable[[Run], Any], holds: Callable[[Any, Any], bool], value: Value) -> Predicate:
    def matches(run: Run) -> bool:
        found = field(run)
        if found is None:
            return False
        left, right = _alike(found, value)
        return holds(left, right)

    return matches


def _present(field: Callable[[Run], Any], choices: list[Value], negated: bool) -> Predicate:
    def matches(run: Run) -> bool:
        found = field(run)
        if found is None:
            return False
        return any(operator.eq(*_alike(found, value)) for value in choices) != negated

    return matches


def _alike(found: Any, value: Value) -> tuple[Any, Any]:
    """Convert the run's value and the expected value to one type: numbers as numbers, all else as text."""
    if isinstance(found, bool) or isinstance(value, bool | str):
        return _text(found), _text(value)
    if isinstance(found, int | float):
        return found, value
    try:
        return _number(str(found)), value  # a tag is always text
    except ValueError:
        return str(found), str(value)


def _number(text: str) -> int | float:
    """Read a number, a whole number exactly.

    Raises:
        ValueError: It is none.
    """
    try:
        return whole_number(text)
    except ValueError:  # a fraction, or more digits than are read into a whole number
        return decimal_number(text)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _unquoted(token: _Token) -> str:
    return unescaped(token.text[1:-1])
