"""Reading Go's templates: from text to actions, each fault with its place."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NamedTuple

from core.promql.errors import PromqlError
from core.promql.string_literals import read_literal

MAXIMUM_CHARACTERS: Final = 65_536
MAXIMUM_DEPTH: Final = 50
_TOKEN: Final = re.compile(
    r"""(?P<space>\s+)|(?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)|(?P<char>'(?:[^'\\\n]|\\.)+')
    |(?P<number>[+-]?(?:0[xX][\da-fA-F_]*\.?[\da-fA-F_]*[pP][+-]?\d[\d_]*|0[xX][\da-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d[\d_]*)?))
    |(?P<variable>\$\w*)|(?P<field>\.[^\W\d]\w*)|(?P<word>[^\W\d]\w*)|(?P<sign>:=|[.|(),=])""",
    re.VERBOSE,
)
_KEYWORDS: Final = frozenset({"if", "else", "with", "range", "end", "define", "template", "block", "break", "continue"})
_BUILT_IN: Final[Mapping[str, tuple[int, int | None]]] = {"and": (1, None), "or": (1, None)}


@dataclass(frozen=True, eq=False)
class TemplateDialect:
    """What the templates of one system may name."""

    arities: Mapping[str, tuple[int, int | None]]
    """The functions: how many arguments each has at least and at most."""
    variables: frozenset[str] = frozenset()
    """The variables that are there from the start, `$` aside."""


class TemplateToken(NamedTuple):
    """A word of an action."""

    kind: str
    text: str
    offset: int


@dataclass(slots=True)
class Operand:
    """A constant, `.`, a variable, a function, or brackets; then the fields that are taken of it."""

    kind: str
    value: Any
    offset: int
    fields: list[str] = field(default_factory=list)


@dataclass(slots=True)
class TemplatePipeline:
    """Commands, each of which gets what the one before it returns; and the variables that take the result."""

    commands: list[list[Operand]]
    targets: list[str]
    declares: bool
    offset: int


@dataclass(slots=True)
class Action:
    """A piece of a template: text, a value to print, or a block."""

    kind: str
    offset: int
    text: str = ""
    pipeline: TemplatePipeline | None = None
    body: list["Action"] = field(default_factory=list)
    otherwise: list["Action"] = field(default_factory=list)
    is_chained: bool = False
    """Whether what is done otherwise is an `else if` or `else with`, its only action."""


@dataclass(frozen=True, slots=True, eq=False)
class TemplateLibrary:
    """Templates of other files, which a template may call by name."""

    defined: Mapping[str, list[Action]] = field(default_factory=dict)
    places: Mapping[str, Callable[[int], str]] = field(default_factory=dict)
    """For each name, what says where a character of its text stands: "file:line:column"."""


NO_LIBRARY: Final = TemplateLibrary()


@dataclass(frozen=True, slots=True)
class Template:
    """A template that was read."""

    actions: list[Action]
    defined: Mapping[str, list[Action]]
    """The bodies of `define` and `block`, and those of the library."""
    places: Mapping[str, Callable[[int], str]] = field(default_factory=dict)
    """As of the library, for the bodies that are its own."""


@lru_cache(maxsize=2048)
def read_template(template: str, dialect: TemplateDialect, library: TemplateLibrary = NO_LIBRARY) -> Template:
    """Read a template.

    Args:
        template: The text with `{{ … }}`.
        dialect: What it may name.
        library: The templates that it may call beside its own.
    Raises:
        PromqlError: It cannot be read; the offset says where.
    """
    if len(template) > MAXIMUM_CHARACTERS:
        raise PromqlError(f"A template may have {MAXIMUM_CHARACTERS} characters, not {len(template)}.")
    reader = _Reader(template, dialect)
    read = reader.read()
    for called in reader.called:
        if called.text not in read.defined and called.text not in library.defined:
            where = "in the files of templates:" if library.defined else "in this text"
            raise PromqlError(f"template {called.text!r} is not defined {where}", called.offset)
    places = {name: place for name, place in library.places.items() if name not in read.defined}
    return Template(read.actions, {**library.defined, **read.defined}, places)


def read_definitions(text: str, dialect: TemplateDialect) -> tuple[Template, list[TemplateToken]]:
    """Read a file of templates.

    Args:
        text: Its text.
        dialect: What it may name.
    Returns:
        The file, and the names that it calls, which others may define.
    Raises:
        PromqlError: It cannot be read; the offset says where.
    """
    reader = _Reader(text, dialect)
    return reader.read(), reader.called


class _Reader:
    """Reads a template into actions."""

    def __init__(self, template: str, dialect: TemplateDialect) -> None:
        self._template = template
        self._dialect = dialect
        self._arities = {**_BUILT_IN, **dialect.arities}
        self._pieces = self._split()
        self._at = 0
        self._scopes: list[set[str]] = [{"$", *dialect.variables}]
        self._loops = 0
        self._defined: dict[str, list[Action]] = {}
        self.called: list[TemplateToken] = []
        """The names of the templates that it calls."""

    def read(self) -> Template:
        """Read it all."""
        actions, ended_by = self._block(0)
        if ended_by is not None:
            raise PromqlError(f"unexpected {{{{{ended_by.text}}}}}", ended_by.offset)
        return Template(actions, self._defined)

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

    def _block(self, depth: int) -> tuple[list[Action], TemplateToken | None]:
        """Read actions up to `end` or `else`."""
        if depth > MAXIMUM_DEPTH:
            raise PromqlError(f"the template nests more than {MAXIMUM_DEPTH} blocks", self._pieces[self._at - 1][2])
        actions: list[Action] = []
        while self._at < len(self._pieces):
            kind, written, offset = self._pieces[self._at]
            self._at += 1
            if kind == "text":
                actions.append(Action("text", offset, written))
                continue
            tokens = _Tokens(self._lex(written, offset), offset + len(written))
            first = tokens.peek()
            if first is None:
                raise PromqlError("missing value for command", offset)
            if first.kind != "word" or first.text not in _KEYWORDS:
                actions.append(Action("print", offset, pipeline=self._whole(tokens)))
                continue
            tokens.take()
            if first.text == "end" or first.text == "else":
                if first.text == "end":
                    tokens.finish()
                self._rest = tokens
                return actions, first
            if first.text == "define":
                if depth:
                    raise PromqlError("unexpected {{define}}", first.offset)
                self._define(self._name(tokens), tokens, depth)
                continue
            if first.text in ("template", "block"):
                actions.append(self._call_of_template(first, tokens, depth))
                continue
            if first.text in ("break", "continue"):
                tokens.finish()
                if not self._loops:
                    raise PromqlError(f"{{{{{first.text}}}}} outside of range", first.offset)
                actions.append(Action(first.text, first.offset))
                continue
            actions.append(self._control(first, tokens, depth))
        return actions, None

    def _name(self, tokens: "_Tokens") -> TemplateToken:
        """Take the name of a template, a string."""
        token = tokens.take()
        if token is None or token.kind != "string":
            raise PromqlError(
                "the name of a template must be a string", tokens.offset if token is None else token.offset
            )
        return TemplateToken("string", _unquoted(token), token.offset)

    def _call_of_template(self, keyword: TemplateToken, tokens: "_Tokens", depth: int) -> Action:
        name = self._name(tokens)
        pipeline = None if tokens.peek() is None else self._pipeline(tokens)
        action = Action("template", keyword.offset, text=name.text, pipeline=pipeline)
        if keyword.text == "template":
            self.called.append(name)
            tokens.finish()
        elif pipeline is None:
            raise PromqlError("missing value for block", tokens.offset)
        else:
            self._define(name, tokens, depth)
        return action

    def _define(self, name: TemplateToken, tokens: "_Tokens", depth: int) -> None:
        """Read the body of a template, which knows no variable but `$`."""
        tokens.finish()
        outside, self._scopes = self._scopes, [{"$"}]
        n_loops, self._loops = self._loops, 0
        body, ended_by = self._block(depth + 1)
        self._scopes, self._loops = outside, n_loops
        if ended_by is None or ended_by.text != "end":
            raise PromqlError("the template is not closed by {{end}}", name.offset)
        if name.text in self._defined and _is_empty(body):  # an empty one takes no other's place
            return
        if not _is_empty(self._defined.get(name.text, ())):
            raise PromqlError(f"template {name.text!r} is defined twice", name.offset)
        self._defined[name.text] = body

    def _control(self, keyword: TemplateToken, tokens: "_Tokens", depth: int) -> Action:
        """Read a block with its chain of `else if`, which may be long and nests nothing."""
        n_scopes = len(self._scopes)
        first = action = self._opened(keyword, tokens)
        while True:
            action.body, ended_by = self._body(keyword, depth)
            if ended_by is None or ended_by.text != "else":
                break
            rest = self._rest
            following = rest.peek()
            self._scopes.append(set())
            if following is None or following.text not in ("if", "with") or following.text != keyword.text:
                rest.finish()
                action.otherwise, ended_by = self._block(depth + 1)
                break
            rest.take()
            keyword = following
            chained = self._opened(keyword, rest)
            action.otherwise, action.is_chained = [chained], True
            action = chained
        if ended_by is None:
            raise PromqlError(f"{{{{{keyword.text}}}}} is not closed by {{{{end}}}}", keyword.offset)
        if ended_by.text == "else":
            raise PromqlError("unexpected {{else}}", ended_by.offset)
        del self._scopes[n_scopes:]
        return first

    def _opened(self, keyword: TemplateToken, tokens: "_Tokens") -> Action:
        self._scopes.append(set())
        return Action(keyword.text, keyword.offset, pipeline=self._whole(tokens, is_range=keyword.text == "range"))

    def _body(self, keyword: TemplateToken, depth: int) -> tuple[list[Action], TemplateToken | None]:
        self._loops += keyword.text == "range"
        self._scopes.append(set())
        found = self._block(depth + 1)
        self._scopes.pop()
        self._loops -= keyword.text == "range"
        return found

    def _lex(self, written: str, offset: int) -> list[TemplateToken]:
        tokens, at = [], 0
        while at < len(written):
            found = _TOKEN.match(written, at)
            if found is None:
                raise PromqlError(f"unexpected {written[at]!r} in action", offset + at)
            tokens.append(TemplateToken(str(found.lastgroup), found.group(), offset + at))
            at = found.end()
        return tokens

    def _whole(self, tokens: "_Tokens", *, is_range: bool = False) -> TemplatePipeline:
        pipeline = self._pipeline(tokens, is_range=is_range)
        tokens.finish()
        return pipeline

    def _pipeline(self, tokens: "_Tokens", *, is_range: bool = False, depth: int = 0) -> TemplatePipeline:
        if depth > MAXIMUM_DEPTH:
            raise PromqlError(f"the template nests more than {MAXIMUM_DEPTH} brackets", tokens.offset)
        start = tokens.offset
        targets, declares = self._targets(tokens, is_range=is_range)
        commands: list[list[Operand]] = []
        while True:
            command = self._command(tokens, depth)
            if not command:
                raise PromqlError("missing value for command", tokens.offset)
            if commands and command[0].kind != "function" and not command[0].fields:
                raise PromqlError("only a function or a method can follow |", command[0].offset)
            self._check_arity(command, n_piped=bool(commands))
            commands.append(command)
            following = tokens.peek()
            if following is None or following.text != "|":
                break
            tokens.take()
        if declares:
            self._scopes[-1].update(targets)
        return TemplatePipeline(commands, targets, declares, start)

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

    def _check_known(self, token: TemplateToken) -> None:
        if not any(token.text in scope for scope in self._scopes):
            raise PromqlError(f"undefined variable {token.text!r}", token.offset)

    def _command(self, tokens: "_Tokens", depth: int) -> list[Operand]:
        operands: list[Operand] = []
        while True:
            had_space = tokens.skip_space()
            token = tokens.raw()
            if token is None or token.text in ("|", ")"):
                return operands
            if operands and not had_space:
                raise PromqlError(f"unexpected {token.text!r} in operand", token.offset)
            operands.append(self._operand(tokens, token, depth))

    def _operand(self, tokens: "_Tokens", token: TemplateToken, depth: int) -> Operand:
        tokens.at += 1
        match token.kind:
            case "string":
                operand = Operand("constant", _unquoted(token), token.offset)
            case "char":
                if len(character := _unquoted(token)) != 1:
                    raise PromqlError(f"malformed character constant: {token.text}", token.offset)
                operand = Operand("constant", ord(character), token.offset)
            case "number":
                after = tokens.raw()
                if after is not None and after.text == "i":
                    raise PromqlError("imaginary numbers are not read by BondX", token.offset)
                operand = Operand("constant", _read_number(token), token.offset)
            case "variable":
                self._check_known(token)
                operand = Operand("variable", token.text, token.offset)
            case "field":
                operand = Operand("dot", None, token.offset, [token.text[1:]])
            case "word" if token.text in ("true", "false"):
                operand = Operand("constant", token.text == "true", token.offset)
            case "word" if token.text == "nil":
                operand = Operand("constant", None, token.offset)
            case "word" if token.text == "call":
                raise PromqlError("call is not expanded by BondX: no value of a template is a function", token.offset)
            case "word":
                if token.text not in self._arities:
                    raise PromqlError(f"function {token.text!r} not defined", token.offset)
                operand = Operand("function", token.text, token.offset)
            case _ if token.text == "(":
                operand = Operand("brackets", self._pipeline(tokens, depth=depth + 1), token.offset)
                closing = tokens.take()
                if closing is None or closing.text != ")":
                    raise PromqlError("unclosed left paren", token.offset)
            case _ if token.text == ".":
                operand = Operand("dot", None, token.offset)
            case _:
                raise PromqlError(f"unexpected {token.text!r} in command", token.offset)
        while (following := tokens.raw()) is not None and following.kind == "field":
            if operand.kind in ("constant", "function"):
                raise PromqlError(f"unexpected {following.text!r} after a {operand.kind}", following.offset)
            operand.fields.append(following.text[1:])
            tokens.at += 1
        return operand

    def _check_arity(self, command: list[Operand], *, n_piped: int) -> None:
        for operand in command[1:] if command[0].kind == "function" else command:
            if operand.kind == "function":
                self._check_count(operand, 0)
        if command[0].kind == "function":
            self._check_count(command[0], len(command) - 1 + n_piped)
        elif len(command) > 1 and not command[0].fields:
            raise PromqlError("can't give arguments to what is not a function", command[1].offset)
        elif command[0].kind == "constant" and command[0].value is None:
            raise PromqlError("nil is not a command", command[0].offset)

    def _check_count(self, function: Operand, n_given: int) -> None:
        least, most = self._arities[function.value]
        if n_given < least or (most is not None and n_given > most):
            wanted = f"{least}" if least == most else f"at least {least}"
            raise PromqlError(f"{function.value} needs {wanted} arguments, and has {n_given}", function.offset)


def _is_empty(body: Sequence[Action]) -> bool:
    """Say whether a template writes nothing but space."""
    return all(action.kind == "text" and not action.text.strip() for action in body)


class _Tokens:
    """The tokens of one action."""

    def __init__(self, tokens: list[TemplateToken], end: int) -> None:
        self._tokens, self._end, self.at = tokens, end, 0

    @property
    def offset(self) -> int:
        """Where the next token is."""
        token = self.raw()
        return self._end if token is None else token.offset

    def raw(self) -> TemplateToken | None:
        """Return the next token, which may be a space."""
        return self._tokens[self.at] if self.at < len(self._tokens) else None

    def skip_space(self) -> bool:
        """Go past spaces, and say whether there were any."""
        before = self.at
        while (token := self.raw()) is not None and token.kind == "space":
            self.at += 1
        return self.at > before

    def peek(self) -> TemplateToken | None:
        """Return the next token that is no space."""
        self.skip_space()
        return self.raw()

    def take(self) -> TemplateToken | None:
        """Return it, and go past it."""
        token = self.peek()
        self.at += token is not None
        return token

    def finish(self) -> None:
        """Refuse anything that is left."""
        if (token := self.peek()) is not None:
            raise PromqlError(f"unexpected {token.text!r} in action", token.offset)


def _unquoted(token: TemplateToken) -> str:
    """Return what a string or a character stands for."""
    try:
        text = read_literal(token.text, 0).text
    except PromqlError as error:
        raise PromqlError(error.message, token.offset + (error.offset or 0)) from None
    return text.replace("\r", "") if token.text[0] == "`" else text


def _read_number(token: TemplateToken) -> int | float:
    written = token.text
    try:
        if re.fullmatch(r"[+-]?0[0-7_]*[0-7]", written):  # as in C
            number: int | float = int(written.replace("_", ""), 8)
        elif re.fullmatch(r"[+-]?0[xX].*[pP].*", written):
            number = float.fromhex(written.replace("_", ""))
        elif re.fullmatch(r"[+-]?\d[\d_]*|[+-]?0[a-zA-Z].*", written):
            number = int(written, 0)
        else:
            number = float(written)
    except (ValueError, OverflowError):
        raise PromqlError(f"bad number syntax: {written}", token.offset) from None
    if isinstance(number, int) and not -(2**63) <= number < 2**63:
        raise PromqlError("integer overflow", token.offset)
    return number
