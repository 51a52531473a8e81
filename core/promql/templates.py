"""Go's templates, as far as Prometheus documents them for annotations and labels of alerts."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from core.promql.errors import PromqlError
from core.promql.series import VectorSample
from core.promql.template_values import FUNCTIONS, QueryResult, is_true, shown

MAXIMUM_CHARACTERS = 65_536
MAXIMUM_DEPTH = 50
MAXIMUM_OUTPUT = 1_048_576
MAXIMUM_ACTIONS = 100_000
"""How many actions one expansion may run: loops within loops end there."""
PREAMBLE = {"labels": "Labels", "externalLabels": "ExternalLabels", "externalURL": "ExternalURL", "value": "Value"}
_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)|(?P<char>'(?:[^'\\\n]|\\.)')
    |(?P<number>[+-]?(?:0[xX][\da-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))
    |(?P<variable>\$\w*)|(?P<field>\.\w+)|(?P<word>[^\W\d]\w*)|(?P<sign>:=|[.|(),=])""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_KEYWORDS = frozenset({"if", "else", "with", "range", "end", "define", "template", "block", "break", "continue"})

TemplateQuery: TypeAlias = Callable[[str], list[VectorSample]]


class _Token(NamedTuple):
    kind: str
    text: str
    offset: int


@dataclass(slots=True)
class _Operand:
    """A constant, `.`, a variable, a function, or brackets; then the fields that are taken of it."""

    kind: str
    value: Any
    offset: int
    fields: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Pipeline:
    commands: list[list[_Operand]]
    targets: list[str]
    declares: bool
    offset: int


@dataclass(slots=True)
class _Action:
    """A piece of a template: text, a value to print, or a block."""

    kind: str
    offset: int
    text: str = ""
    pipeline: _Pipeline | None = None
    body: list["_Action"] = field(default_factory=list)
    otherwise: list["_Action"] = field(default_factory=list)


def check_template(template: str) -> None:
    """Read a template without expanding it.

    Raises:
        PromqlError: It cannot be read; the offset says where.
    """
    _read(template)


def expand(
    template: str,
    *,
    labels: Mapping[str, str],
    value: float,
    external_labels: Mapping[str, str] | None = None,
    query: TemplateQuery | None = None,
    external_url: str = "",
) -> str:
    """Fill in a template of an alert.

    Args:
        template: The text with `{{ … }}`.
        labels: What `$labels` and `.Labels` are.
        value: What `$value` and `.Value` are.
        external_labels: What `$externalLabels` and `.ExternalLabels` are.
        query: What evaluates an expression for `query`; None refuses it.
        external_url: What `$externalURL` and `externalURL` are.
    Raises:
        PromqlError: It cannot be read, or fails on these values.

    >>> expand("{{ $labels.model }} at {{ $value | humanizePercentage }}", labels={"model": "rates"}, value=0.25)
    'rates at 25%'
    """
    actions = _read(template)
    root = {
        "Labels": dict(labels),
        "ExternalLabels": dict(external_labels or {}),
        "ExternalURL": external_url,
        "Value": value,
    }
    return _Expansion(root, query).run(actions)


@lru_cache(maxsize=2048)
def _read(template: str) -> list[_Action]:
    if len(template) > MAXIMUM_CHARACTERS:
        raise PromqlError(f"A template may have {MAXIMUM_CHARACTERS} characters, not {len(template)}.")
    return _Reader(template).read()


class _Reader:
    """Reads a template into actions."""

    def __init__(self, template: str) -> None:
        self._template = template
        self._pieces = self._split()
        self._at = 0
        self._scopes: list[set[str]] = [{"$", *(f"${name}" for name in PREAMBLE)}]
        self._loops = 0

    def read(self) -> list[_Action]:
        """Read it all."""
        actions, ended_by = self._block(0)
        if ended_by is not None:
            raise PromqlError(f"unexpected {{{{{ended_by.text}}}}}", ended_by.offset)
        return actions

    def _split(self) -> list[tuple[str, str, int]]:
        """Part texts from actions, and trim the texts beside `{{-` and `-}}`."""
        pieces: list[tuple[str, str, int]] = []
        at, trims = 0, False
        template = self._template
        while True:
            start = template.find("{{", at)
            written = template[at:] if start < 0 else template[at:start]
            if trims:
                written = written.lstrip(" \t\r\n")
            if start >= 0 and re.match(r"\{\{-[ \t\r\n]", template[start : start + 4]):
                written = written.rstrip(" \t\r\n")
            if written:
                pieces.append(("text", written, at))
            if start < 0:
                return pieces
            inner = start + 2
            if re.match(r"-[ \t\r\n]", template[inner : inner + 2]):
                inner += 1
            if found := re.compile(r"\s*/\*").match(template, inner):
                close = template.find("*/", found.end())
                ending = re.compile(r"\*/(\s-)?\}\}").match(template, close) if close >= 0 else None
                if ending is None:
                    raise PromqlError("a comment is not closed by */}}", start)
                at, trims = ending.end(), bool(ending[1])
                continue
            end = self._end_of_action(inner, start)
            trims = template[end - 1] == "-" and end - 1 > inner and template[end - 2] in " \t\r\n"
            pieces.append(("action", template[inner : end - trims], inner))
            at = end + 2

    def _end_of_action(self, inner: int, start: int) -> int:
        at = inner
        while at < len(self._template):
            if self._template.startswith("}}", at):
                return at
            if found := re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|`[^`]*`|'(?:[^'\\\n]|\\.)*'").match(self._template, at):
                at = found.end()
                continue
            if self._template[at] in "\"`'":
                raise PromqlError("unterminated quoted string", at)
            at += 1
        raise PromqlError("unclosed action: }} is missing", start)

    def _block(self, depth: int) -> tuple[list[_Action], _Token | None]:
        """Read actions up to `end` or `else`."""
        if depth > MAXIMUM_DEPTH:
            raise PromqlError(f"the template nests more than {MAXIMUM_DEPTH} blocks", self._pieces[self._at - 1][2])
        actions: list[_Action] = []
        while self._at < len(self._pieces):
            kind, written, offset = self._pieces[self._at]
            self._at += 1
            if kind == "text":
                actions.append(_Action("text", offset, written))
                continue
            tokens = _Tokens(self._lex(written, offset), offset + len(written))
            first = tokens.peek()
            if first is None:
                raise PromqlError("missing value for command", offset)
            if first.kind != "word" or first.text not in _KEYWORDS:
                actions.append(_Action("print", offset, pipeline=self._whole(tokens)))
                continue
            tokens.take()
            if first.text == "end" or first.text == "else":
                if first.text == "end":
                    tokens.finish()
                self._rest = tokens
                return actions, first
            if first.text in ("define", "template", "block"):
                raise PromqlError(f"{first.text} is not expanded by BondX", first.offset)
            if first.text in ("break", "continue"):
                tokens.finish()
                if not self._loops:
                    raise PromqlError(f"{{{{{first.text}}}}} outside of range", first.offset)
                actions.append(_Action(first.text, first.offset))
                continue
            actions.append(self._control(first, tokens, depth))
        return actions, None

    def _control(self, keyword: _Token, tokens: "_Tokens", depth: int) -> _Action:
        self._scopes.append(set())
        action = _Action(keyword.text, keyword.offset, pipeline=self._whole(tokens, is_range=keyword.text == "range"))
        self._loops += keyword.text == "range"
        self._scopes.append(set())
        action.body, ended_by = self._block(depth + 1)
        self._scopes.pop()
        self._loops -= keyword.text == "range"
        if ended_by is not None and ended_by.text == "else":
            rest = self._rest
            following = rest.peek()
            self._scopes.append(set())
            if following is not None and following.text in ("if", "with") and following.text == keyword.text:
                rest.take()
                action.otherwise = [self._control(following, rest, depth + 1)]
                ended_by = _Token("word", "end", following.offset)
            else:
                rest.finish()
                action.otherwise, ended_by = self._block(depth + 1)
            self._scopes.pop()
        if ended_by is None:
            raise PromqlError(f"{{{{{keyword.text}}}}} is not closed by {{{{end}}}}", keyword.offset)
        if ended_by.text == "else":
            raise PromqlError("unexpected {{else}}", ended_by.offset)
        self._scopes.pop()
        return action

    def _lex(self, written: str, offset: int) -> list[_Token]:
        tokens, at = [], 0
        while at < len(written):
            found = _TOKEN.match(written, at)
            if found is None:
                raise PromqlError(f"unexpected {written[at]!r} in action", offset + at)
            tokens.append(_Token(str(found.lastgroup), found.group(), offset + at))
            at = found.end()
        return tokens

    def _whole(self, tokens: "_Tokens", *, is_range: bool = False) -> _Pipeline:
        pipeline = self._pipeline(tokens, is_range=is_range)
        tokens.finish()
        return pipeline

    def _pipeline(self, tokens: "_Tokens", *, is_range: bool = False, depth: int = 0) -> _Pipeline:
        if depth > MAXIMUM_DEPTH:
            raise PromqlError(f"the template nests more than {MAXIMUM_DEPTH} brackets", tokens.offset)
        start = tokens.offset
        targets, declares = self._targets(tokens, is_range=is_range)
        commands: list[list[_Operand]] = []
        while True:
            command = self._command(tokens, depth)
            if not command:
                raise PromqlError("missing value for command", tokens.offset)
            if commands and command[0].kind != "function":
                raise PromqlError("only a function can follow |", command[0].offset)
            self._check_arity(command, n_piped=bool(commands))
            commands.append(command)
            following = tokens.peek()
            if following is None or following.text != "|":
                break
            tokens.take()
        if declares:
            self._scopes[-1].update(targets)
        return _Pipeline(commands, targets, declares, start)

    def _targets(self, tokens: "_Tokens", *, is_range: bool) -> tuple[list[str], bool]:
        mark, targets = tokens.at, []
        while (token := tokens.peek()) is not None and token.kind == "variable":
            targets.append(token)
            tokens.take()
            following = tokens.peek()
            if following is not None and following.text in (":=", "="):
                tokens.take()
                for target in targets if following.text == "=" else ():
                    self._check_known(target)
                return [target.text for target in targets], following.text == ":="
            if following is None or following.text != "," or not is_range or len(targets) == 2:
                break
            tokens.take()
        tokens.at = mark
        return [], False

    def _check_known(self, token: _Token) -> None:
        if not any(token.text in scope for scope in self._scopes):
            raise PromqlError(f"undefined variable {token.text!r}", token.offset)

    def _command(self, tokens: "_Tokens", depth: int) -> list[_Operand]:
        operands: list[_Operand] = []
        while True:
            had_space = tokens.skip_space()
            token = tokens.raw()
            if token is None or token.text in ("|", ")"):
                return operands
            if operands and not had_space:
                raise PromqlError(f"unexpected {token.text!r} in operand", token.offset)
            operands.append(self._operand(tokens, token, depth))

    def _operand(self, tokens: "_Tokens", token: _Token, depth: int) -> _Operand:
        tokens.at += 1
        match token.kind:
            case "string":
                operand = _Operand("constant", _unquoted(token), token.offset)
            case "char":
                operand = _Operand("constant", ord(_unescaped(token.text[1:-1], token.offset)), token.offset)
            case "number":
                operand = _Operand("constant", _read_number(token), token.offset)
            case "variable":
                self._check_known(token)
                operand = _Operand("variable", token.text, token.offset)
            case "field":
                operand = _Operand("dot", None, token.offset, [token.text[1:]])
            case "word" if token.text in ("true", "false"):
                operand = _Operand("constant", token.text == "true", token.offset)
            case "word" if token.text == "nil":
                raise PromqlError("nil is not a command", token.offset)
            case "word":
                if token.text not in FUNCTIONS and token.text not in (
                    "and",
                    "or",
                    "query",
                    "externalURL",
                    "pathPrefix",
                ):
                    raise PromqlError(f"function {token.text!r} not defined", token.offset)
                operand = _Operand("function", token.text, token.offset)
            case _ if token.text == "(":
                operand = _Operand("brackets", self._pipeline(tokens, depth=depth + 1), token.offset)
                closing = tokens.take()
                if closing is None or closing.text != ")":
                    raise PromqlError("unclosed left paren", token.offset)
            case _ if token.text == ".":
                operand = _Operand("dot", None, token.offset)
            case _:
                raise PromqlError(f"unexpected {token.text!r} in command", token.offset)
        while (following := tokens.raw()) is not None and following.kind == "field":
            if operand.kind in ("constant", "function"):
                raise PromqlError(f"unexpected {following.text!r} after a {operand.kind}", following.offset)
            operand.fields.append(following.text[1:])
            tokens.at += 1
        return operand

    def _check_arity(self, command: list[_Operand], *, n_piped: int) -> None:
        for operand in command[1:] if command[0].kind == "function" else command:
            if operand.kind == "function":
                self._check_count(operand, 0)
        if command[0].kind == "function":
            self._check_count(command[0], len(command) - 1 + n_piped)
        elif len(command) > 1:
            raise PromqlError("can't give arguments to what is not a function", command[1].offset)

    def _check_count(self, function: _Operand, n_given: int) -> None:
        least, most = _ARITIES.get(function.value) or FUNCTIONS[function.value][1:]
        if n_given < least or (most is not None and n_given > most):
            wanted = f"{least}" if least == most else f"at least {least}"
            raise PromqlError(f"{function.value} needs {wanted} arguments, and has {n_given}", function.offset)


_ARITIES: dict[str, tuple[int, int | None]] = {
    "and": (1, None), "or": (1, None), "query": (1, 1), "externalURL": (0, 0), "pathPrefix": (0, 0)
}  # fmt: skip


class _Tokens:
    """The tokens of one action."""

    def __init__(self, tokens: list[_Token], end: int) -> None:
        self._tokens, self._end, self.at = tokens, end, 0

    @property
    def offset(self) -> int:
        """Where the next token is."""
        token = self.raw()
        return self._end if token is None else token.offset

    def raw(self) -> _Token | None:
        """Return the next token, which may be a space."""
        return self._tokens[self.at] if self.at < len(self._tokens) else None

    def skip_space(self) -> bool:
        """Go past spaces, and say whether there were any."""
        before = self.at
        while (token := self.raw()) is not None and token.kind == "space":
            self.at += 1
        return self.at > before

    def peek(self) -> _Token | None:
        """Return the next token that is no space."""
        self.skip_space()
        return self.raw()

    def take(self) -> _Token | None:
        """Return it, and go past it."""
        token = self.peek()
        self.at += token is not None
        return token

    def finish(self) -> None:
        """Refuse anything that is left."""
        if (token := self.peek()) is not None:
            raise PromqlError(f"unexpected {token.text!r} in action", token.offset)


def _unescaped(body: str, offset: int) -> str:
    def replaced(found: "re.Match[str]") -> str:
        code = found[1]
        if code in _ESCAPES:
            return _ESCAPES[code]
        try:
            return chr(int(code[1:], 16) if code[0] in "xuU" else int(code, 8))
        except (ValueError, OverflowError):
            raise PromqlError(f"unknown escape \\{code}", offset) from None

    return re.sub(r"\\(x[\da-fA-F]{2}|u[\da-fA-F]{4}|U[\da-fA-F]{8}|[0-7]{3}|.)", replaced, body, flags=re.DOTALL)


def _unquoted(token: _Token) -> str:
    body = token.text[1:-1]
    return body if token.text[0] == "`" else _unescaped(body, token.offset)


def _read_number(token: _Token) -> int | float:
    try:
        return int(token.text, 0)
    except ValueError:
        return float(token.text)


class _Break(Exception):  # noqa: N818
    """`{{ break }}`."""


class _Continue(Exception):  # noqa: N818
    """`{{ continue }}`."""


class _Expansion:
    """Runs the actions of a template."""

    def __init__(self, root: dict[str, Any], query: TemplateQuery | None) -> None:
        self._root, self._query = root, query
        self._variables: list[tuple[str, Any]] = [("$", root)]
        self._variables += [(f"${name}", root[field_name]) for name, field_name in PREAMBLE.items()]
        self._written: list[str] = []
        self._n_written = self._n_actions = 0

    def run(self, actions: list[_Action]) -> str:
        """Return the text."""
        self._walk(actions, self._root)
        return "".join(self._written)

    def _walk(self, actions: list[_Action], dot: Any) -> None:
        mark = len(self._variables)
        for action in actions:
            self._n_actions += 1
            if self._n_actions > MAXIMUM_ACTIONS:
                raise PromqlError(f"the template runs more than {MAXIMUM_ACTIONS} actions", action.offset)
            self._act(action, dot)
        del self._variables[mark:]

    def _act(self, action: _Action, dot: Any) -> None:
        if action.kind == "text":
            self._write(action.text, action.offset)
            return
        if action.kind == "break":
            raise _Break
        if action.kind == "continue":
            raise _Continue
        assert action.pipeline is not None
        if action.kind == "print":
            value = self._evaluate(action.pipeline, dot)
            if not action.pipeline.targets:
                self._write(shown(value), action.offset)
            return
        mark = len(self._variables)
        if action.kind == "range":
            self._loop(action, dot)
        else:
            value = self._evaluate(action.pipeline, dot)
            if is_true(value):
                self._walk(action.body, value if action.kind == "with" else dot)
            else:
                self._walk(action.otherwise, dot)
        del self._variables[mark:]

    def _loop(self, action: _Action, dot: Any) -> None:
        assert action.pipeline is not None
        pipeline = action.pipeline
        over = self._evaluate(pipeline, dot, assigns=False)
        if isinstance(over, Mapping):
            pairs = [(key, over[key]) for key in sorted(over)]
        elif isinstance(over, list):
            pairs = list(enumerate(over))
        else:
            raise PromqlError(f"range can't iterate over {shown(over)}", pipeline.offset)
        if not pairs:
            self._walk(action.otherwise, dot)
        for key, value in pairs:
            mark = len(self._variables)
            given = [value] if len(pipeline.targets) == 1 else [key, value]
            for target, one in zip(pipeline.targets, given, strict=False):
                self._assign(target, one, declares=pipeline.declares)
            try:
                self._walk(action.body, value)
            except _Continue:
                continue
            except _Break:
                break
            finally:
                del self._variables[mark:]

    def _write(self, written: str, offset: int) -> None:
        self._n_written += len(written)
        if self._n_written > MAXIMUM_OUTPUT:
            raise PromqlError(f"the template writes more than {MAXIMUM_OUTPUT} characters", offset)
        self._written.append(written)

    def _assign(self, name: str, value: Any, *, declares: bool) -> None:
        if declares:
            self._variables.append((name, value))
            return
        for at in range(len(self._variables) - 1, -1, -1):
            if self._variables[at][0] == name:
                self._variables[at] = (name, value)
                return

    def _evaluate(self, pipeline: _Pipeline, dot: Any, *, assigns: bool = True) -> Any:
        value: Any = None
        for number, command in enumerate(pipeline.commands):
            value = self._command(command, dot, [value] if number else [])
        if assigns and pipeline.targets:
            self._assign(pipeline.targets[-1], value, declares=pipeline.declares)
        return value

    def _command(self, command: list[_Operand], dot: Any, piped: list[Any]) -> Any:
        first = command[0]
        if first.kind != "function":
            return self._operand(first, dot)
        if first.value in ("and", "or"):
            value: Any = None
            for operand in [*command[1:], *piped]:
                value = self._operand(operand, dot) if isinstance(operand, _Operand) else operand
                if is_true(value) == (first.value == "or"):
                    break
            return value
        arguments = [self._operand(operand, dot) for operand in command[1:]] + piped
        return self._call(first, arguments)

    def _call(self, function: _Operand, arguments: list[Any]) -> Any:
        name = function.value
        try:
            if name == "query":
                return self._queried(arguments[0])
            if name in ("externalURL", "pathPrefix"):
                url = self._root["ExternalURL"]
                return url if name == "externalURL" else re.sub(r"^[^:/]+://[^/]*", "", url)
            return FUNCTIONS[name][0](*arguments)
        except PromqlError as error:
            if error.offset is not None:
                raise
            raise PromqlError(f"{name}: {error.message}", function.offset) from None

    def _queried(self, text: Any) -> list[QueryResult]:
        if self._query is None:
            raise PromqlError("there is nothing to query here")
        if not isinstance(text, str):
            raise PromqlError("query needs an expression in a string")
        return [QueryResult.of(sample) for sample in self._query(text)]

    def _operand(self, operand: _Operand, dot: Any) -> Any:
        match operand.kind:
            case "constant":
                return operand.value
            case "dot":
                value = dot
            case "variable":
                value = next(value for name, value in reversed(self._variables) if name == operand.value)
            case "brackets":
                value = self._evaluate(operand.value, dot)
            case _:
                return self._call(operand, []) if operand.value not in ("and", "or") else None
        for name in operand.fields:
            value = _field(value, name, operand.offset, is_root=value is self._root)
        return value


def _field(value: Any, name: str, offset: int, *, is_root: bool) -> Any:
    if isinstance(value, QueryResult):
        if name in ("Labels", "Value"):
            return value.labels if name == "Labels" else value.value
        raise PromqlError(f"a sample has Labels and Value, not {name}", offset)
    if isinstance(value, Mapping):
        if is_root and name not in value:
            raise PromqlError(f"can't evaluate field {name}: there are {', '.join(value)}", offset)
        return value.get(name, "")
    raise PromqlError(f"can't evaluate field {name} of {shown(value)}", offset)
