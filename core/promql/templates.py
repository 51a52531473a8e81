"""Go's templates, as far as Prometheus documents them for annotations and labels of alerts."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

from core.promql.errors import PromqlError, TemplateFieldError
from core.promql.go_time import time_field, time_fields
from core.promql.go_values import (
    GoMethod,
    HasFields,
    QueryResult,
    TemplateStruct,
    go_type,
    is_of_type,
    shown,
)
from core.promql.series import VectorSample
from core.promql.template_reading import (
    MAXIMUM_DEPTH,
    Action,
    Operand,
    Template,
    TemplateDialect,
    TemplatePipeline,
    read_template,
)
from core.promql.template_values import FUNCTIONS, is_true

MAXIMUM_OUTPUT: Final = 1_048_576
MAXIMUM_ACTIONS: Final = 100_000
"""How many actions one expansion may run: loops within loops end there."""
PREAMBLE: Final = {
    "labels": "Labels",
    "externalLabels": "ExternalLabels",
    "externalURL": "ExternalURL",
    "value": "Value",
}
OF_ALERTS: Final = TemplateDialect(
    arities={
        **{name: (least, most) for name, (_, least, most) in FUNCTIONS.items()},
        "query": (1, 1), "externalURL": (0, 0), "pathPrefix": (0, 0),
    },
    variables=frozenset(f"${name}" for name in PREAMBLE),
)  # fmt: skip
"""The templates of a rule file."""

TemplateQuery: TypeAlias = Callable[[str], list[VectorSample]]


def check_template(template: str) -> None:
    """Read a template of a rule file without expanding it.

    Raises:
        PromqlError: It cannot be read; the offset says where.
    """
    read_template(template, OF_ALERTS)


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
    read = read_template(template, OF_ALERTS)
    root = TemplateStruct(
        {
            "Labels": dict(labels),
            "ExternalLabels": dict(external_labels or {}),
            "ExternalURL": external_url,
            "Value": value,
        }
    )

    def queried(text: Any) -> list[QueryResult]:
        if query is None:
            raise PromqlError("there is nothing to query here")
        if not isinstance(text, str):
            raise PromqlError("query needs an expression in a string")
        return [QueryResult.of(sample) for sample in query(text)]

    functions: dict[str, Callable[..., Any]] = {
        **{name: function for name, (function, _, _) in FUNCTIONS.items()},
        "query": queried,
        "externalURL": lambda: external_url,
        "pathPrefix": lambda: re.sub(r"^[^:/]+://[^/]*", "", external_url),
    }
    variables = {f"${name}": root.fields[field_name] for name, field_name in PREAMBLE.items()}
    return expand_read(read, root, functions, variables)


def expand_read(
    template: Template, root: Any, functions: Mapping[str, Callable[..., Any]], variables: Mapping[str, Any]
) -> str:
    """Fill in a template that was read.

    Args:
        template: The template.
        root: What `.` and `$` are.
        functions: The functions of its dialect.
        variables: The variables of its dialect.
    Raises:
        PromqlError: It fails on these values.
    """
    try:
        return _Expansion(template, root, functions, variables).run()
    except RecursionError:  # templates that call each other from within deep blocks
        raise PromqlError("the template nests too deeply") from None


class _Break(Exception):  # noqa: N818
    """`{{ break }}`."""


class _Continue(Exception):  # noqa: N818
    """`{{ continue }}`."""


class _Expansion:
    """Runs the actions of a template."""

    def __init__(
        self, template: Template, root: Any, functions: Mapping[str, Callable[..., Any]], variables: Mapping[str, Any]
    ) -> None:
        self._template, self._root, self._functions = template, root, functions
        self._variables: list[tuple[str, Any]] = [("$", root), *variables.items()]
        self._written: list[str] = []
        self._n_written = self._n_actions = self._depth = 0

    def run(self) -> str:
        """Return the text."""
        self._walk(self._template.actions, self._root)
        return "".join(self._written)

    def _walk(self, actions: list[Action], dot: Any) -> None:
        mark = len(self._variables)
        for action in actions:
            self._count(action.offset)
            self._act(action, dot)
        del self._variables[mark:]

    def _count(self, offset: int) -> None:
        self._n_actions += 1
        if self._n_actions > MAXIMUM_ACTIONS:
            raise PromqlError(f"the template runs more than {MAXIMUM_ACTIONS} actions", offset)

    def _act(self, action: Action, dot: Any) -> None:
        if action.kind == "text":
            self._write(action.text, action.offset)
            return
        if action.kind == "break":
            raise _Break
        if action.kind == "continue":
            raise _Continue
        if action.kind == "template":
            self._call_template(action.text, None if action.pipeline is None else self._evaluate(action.pipeline, dot))
            return
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
            self._choose(action, dot)
        del self._variables[mark:]

    def _choose(self, action: Action, dot: Any) -> None:
        """Run the first block of a chain whose condition holds."""
        while True:
            assert action.pipeline is not None
            value = self._evaluate(action.pipeline, dot)
            if is_true(value):
                self._walk(action.body, value if action.kind == "with" else dot)
                return
            if not action.is_chained:
                self._walk(action.otherwise, dot)
                return
            (action,) = action.otherwise
            self._count(action.offset)

    def _call_template(self, name: str, root: Any) -> None:
        """Run what `define` holds, in which `$` is what it is called with."""
        if self._depth >= MAXIMUM_DEPTH:
            raise PromqlError(f"templates call each other more than {MAXIMUM_DEPTH} deep")
        if name not in self._template.defined:
            raise PromqlError(f"the template {shown(name)} is not defined")
        outside, self._variables = self._variables, [("$", root)]
        self._depth += 1
        try:
            self._walk(self._template.defined[name], root)
        except PromqlError as error:
            place = self._template.places.get(name)
            if place is None or error.offset is None:
                raise
            raise type(error)(f"{place(error.offset)}: {error.message}") from None
        finally:
            self._variables = outside
            self._depth -= 1

    def _loop(self, action: Action, dot: Any) -> None:
        assert action.pipeline is not None
        pipeline = action.pipeline
        over = self._evaluate(pipeline, dot, assigns=False)
        pairs: Iterable[tuple[Any, Any]]
        if isinstance(over, Mapping):
            pairs = [(key, over[key]) for key in sorted(over)]
        elif isinstance(over, list):
            pairs = list(enumerate(over))
        elif type(over) is int:  # since Go 1.22
            if len(pipeline.targets) > 1:
                raise PromqlError(f"can't use {over} to iterate over more than one variable", pipeline.offset)
            pairs = zip(range(over), range(over), strict=True)
        else:
            raise PromqlError(f"range can't iterate over {shown(over)}", pipeline.offset)
        if not over or (type(over) is int and over < 0):
            self._walk(action.otherwise, dot)
        for key, value in pairs:
            self._count(action.offset)
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

    def _evaluate(self, pipeline: TemplatePipeline, dot: Any, *, assigns: bool = True) -> Any:
        value: Any = None
        for number, command in enumerate(pipeline.commands):
            value = self._command(command, dot, [value] if number else [])
        if assigns and pipeline.targets:
            self._assign(pipeline.targets[-1], value, declares=pipeline.declares)
        return value

    def _command(self, command: list[Operand], dot: Any, piped: list[Any]) -> Any:
        first = command[0]
        if first.kind != "function":
            given = [self._operand(operand, dot) for operand in command[1:]] + piped
            return self._operand(first, dot, given)
        if first.value in ("and", "or"):
            value: Any = None
            for operand in [*command[1:], *piped]:
                value = self._operand(operand, dot) if isinstance(operand, Operand) else operand
                if is_true(value) == (first.value == "or"):
                    break
            return value
        arguments = [self._operand(operand, dot) for operand in command[1:]] + piped
        return self._call(first, arguments)

    def _call(self, function: Operand, arguments: list[Any]) -> Any:
        name = function.value
        try:
            found = self._functions[name](*arguments)
        except PromqlError as error:
            if error.offset is not None:
                raise
            raise PromqlError(f"{name}: {error.message}", function.offset) from None
        if isinstance(found, str) and len(found) > MAXIMUM_OUTPUT:  # a variable may double it again and again
            raise PromqlError(f"{name} makes more than {MAXIMUM_OUTPUT} characters", function.offset)
        return found

    def _operand(self, operand: Operand, dot: Any, arguments: Sequence[Any] = ()) -> Any:
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
        if arguments and not operand.fields:
            raise PromqlError(f"can't give arguments to {shown(value)}", operand.offset)
        for at, name in enumerate(operand.fields, start=1):
            value = _field(value, name, operand.offset, arguments if at == len(operand.fields) else ())
        return value


def _field(value: Any, name: str, offset: int, arguments: Sequence[Any]) -> Any:
    """Read a field, or call a method."""
    found = _member(value, name, offset)
    if not isinstance(found, GoMethod):
        if arguments:
            raise PromqlError(f"{name} is no method, and has arguments", offset)
        return found
    if len(arguments) != len(found.parameters):
        raise PromqlError(f"{name} needs {len(found.parameters)} arguments, and has {len(arguments)}", offset)
    for argument, wanted in zip(arguments, found.parameters, strict=True):
        if not is_of_type(argument, wanted):
            raise PromqlError(f"{name} needs {wanted}, not {shown(argument)} ({go_type(argument)})", offset)
    try:
        return found.call(*arguments)
    except (OverflowError, ValueError):  # a time before year 1, or after 9999
        raise PromqlError(f"{name} of {shown(value)} is no time that BondX can write", offset) from None


def _member(value: Any, name: str, offset: int) -> Any:
    if isinstance(value, datetime):
        try:
            return time_field(value, name)
        except KeyError:
            known = ", ".join(time_fields())
            raise TemplateFieldError(f"can't evaluate field {name}: a time has {known}", offset) from None
    if isinstance(value, HasFields):
        try:
            return value.template_field(name)
        except KeyError:
            if not isinstance(value, Mapping):
                known = ", ".join(value.template_fields())
                raise TemplateFieldError(f"can't evaluate field {name}: there are {known}", offset) from None
    if isinstance(value, Mapping):
        return value.get(name, "")
    raise TemplateFieldError(f"can't evaluate field {name} of {shown(value)}", offset)
