"""The manual pages, written from the parsers: one for each program, and one for each command of `bondx`.

The same parser writes the helps and `--spec`, so the pages cannot lag behind. `hatch_build.py` writes them into the
wheel.
"""

import argparse
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from console.cli.main import COMMANDS, EXIT_CODES, build_parser
from console.cli.spec import spec_of

SECTION = 1
WIDTH = 78
PROGRAMS = ("bondx", "bondx-mlops")
COMMON = ("--help", "--workspace", "--config", "--verbose")
"""The options of every command, described once a page."""

ENVIRONMENT = {
    "BONDX_HOME": "The workspace, where --workspace is not given.",
    "BONDX_CONFIG": "A file of settings and policy that is laid over bondx.yaml for every command.",
    "LOG_LEVEL": "How much is logged: debug, info, warning or error.",
    "NO_COLOR": "If set, the console draws without colours.",
}
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


@dataclass(frozen=True, slots=True)
class Imprint:
    """What stands at the edges of every page."""

    version: str
    day: date


def page_names() -> tuple[str, ...]:
    """Return the names of all pages.

    >>> page_names()[:3], "bondx-registry" in page_names()
    (('bondx', 'bondx-mlops', 'bondx-run'), True)
    """
    return (*PROGRAMS, *(f"bondx-{name}" for name in COMMANDS))


def man_page(name: str, imprint: Imprint) -> str:
    """Write a page in roff, with the macros of man(7).

    Args:
        name: One of `page_names`.
        imprint: Version and date of the program.

    Raises:
        KeyError: There is no such page.
    """
    if name not in page_names():
        raise KeyError(name)
    spec = _spec(name)
    if name not in PROGRAMS:
        (spec,) = (found for found in spec["commands"] if found["command"] == name.replace("-", " ", 1))
    lines = [
        f'.TH {_plain(name).upper()} {SECTION} {imprint.day} "BondX Console {imprint.version}" "BondX Console"',
        ".SH NAME",
        _text(f"{name} - {_lowered(spec['summary'])}"),
        ".SH SYNOPSIS",
        *_synopsis(spec),
        ".SH DESCRIPTION",
        *_paragraph(spec["summary"]),
        *_description(name, spec),
        *_common(spec),
        *_exit_status(),
        *_environment(),
        *_see_also(name),
    ]
    return "\n".join(lines) + "\n"


def _spec(name: str) -> dict[str, Any]:
    parser: argparse.ArgumentParser
    if name == "bondx-mlops":
        from console.mlops.cli import build_parser as build_mlops_parser

        parser = build_mlops_parser()
    else:
        parser = build_parser(COMMANDS if name == "bondx" else (name.removeprefix("bondx-"),))
    return spec_of(parser, EXIT_CODES)


def _description(name: str, spec: Mapping[str, Any]) -> Iterator[str]:
    if name == "bondx":
        yield from _paragraph("Without a command, the console opens. Each command has a page of its own.")
        yield from _arguments(spec, ".SH OPTIONS")
        yield ".SH COMMANDS"
        for command in spec["commands"]:
            yield from (".TP", f"\\fB{_plain(command['command'])}\\fR(1)".replace(" ", "\\-"))
            yield _text(command["summary"])
        return
    yield from _arguments(spec, ".SH OPTIONS")
    verbs = list(_below(spec))
    if verbs:
        yield ".SH COMMANDS"
    for verb in verbs:
        yield f'.SS "{_usage(verb).replace(chr(34), "")}"'
        yield from _paragraph(verb["summary"] or "")
        yield from _arguments(verb, "")


def _below(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for command in spec["commands"]:
        if not command["commands"] or not command["needs_command"]:
            yield command
        yield from _below(command)


def _synopsis(spec: Mapping[str, Any]) -> Iterator[str]:
    if not spec["needs_command"]:
        yield _usage(spec)
        if spec["commands"]:
            yield from (".br", f"{_bold(spec['command'])} {_italic('COMMAND')} [{_italic('option')} ...]")
        return
    for number, verb in enumerate(_below(spec)):
        yield from ([".br"] if number else [])
        yield _usage(verb)


def _usage(spec: Mapping[str, Any]) -> str:
    words = [_bold(spec["command"])]
    for argument in spec["arguments"]:
        named = _italic(argument["name"])
        words.append(
            {"one": named, "some": f"{named} ...", "any": f"[{named} ...]"}.get(argument["values"], f"[{named}]")
        )
    required = [option for option in spec["options"] if option["required"]]
    words += [f"{_bold(_longest(option))} {_italic(option['value'])}" for option in required]
    return " ".join([*words, f"[{_italic('option')} ...]"])


def _arguments(spec: Mapping[str, Any], heading: str) -> Iterator[str]:
    """Describe the arguments and the options of one command, without those that all commands have."""
    options = [option for option in spec["options"] if not set(option["flags"]) & set(COMMON)]
    if heading and (spec["arguments"] or options):
        yield heading
    for argument in spec["arguments"]:
        if argument["help"] or argument["choices"]:
            yield from (".TP", _italic(argument["name"]), _meaning(argument))
    for option in options:
        yield from _option(option)


def _option(option: Mapping[str, Any]) -> tuple[str, str, str]:
    flags = ", ".join(map(_bold, option["flags"]))
    value = f" {_italic(option['value'])}" if option["value"] else ""
    return ".TP", f"{flags}{value}", _meaning(option)


def _meaning(argument: Mapping[str, Any]) -> str:
    words = [argument["help"] or ""]
    if argument["choices"] and not all(choice in words[0] for choice in argument["choices"]):
        words.append(f"One of {', '.join(argument['choices'])}.")
    if argument["repeatable"]:
        words.append("Repeatable.")
    return _text(". ".join(filter(None, (word.rstrip(".") for word in words))) + ".")


def _common(spec: Mapping[str, Any]) -> Iterator[str]:
    yield ".SH COMMON OPTIONS"
    for option in spec["options"]:
        if set(option["flags"]) & set(COMMON):
            yield from _option(option)


def _exit_status() -> Iterator[str]:
    yield ".SH EXIT STATUS"
    for code, meaning in EXIT_CODES.items():
        yield from (".TP", _bold(f"{code:d}"), _text(f"{meaning}."))


def _environment() -> Iterator[str]:
    yield ".SH ENVIRONMENT"
    for name, meaning in ENVIRONMENT.items():
        yield from (".TP", _bold(name), _text(meaning))


def _see_also(name: str) -> Iterator[str]:
    others = [other for other in PROGRAMS if other != name]
    yield from (".SH SEE ALSO", ", ".join(f"{_bold(other)}(1)" for other in others))


def _paragraph(text: str) -> Sequence[str]:
    return (_text(text),) if text else ()


def _lowered(sentence: str) -> str:
    return (sentence[:1].lower() + sentence[1:]).rstrip(".")


def _longest(option: Mapping[str, Any]) -> str:
    return str(max(option["flags"], key=len))


def _bold(text: str) -> str:
    return f"\\fB{_plain(text)}\\fR"


def _italic(text: str) -> str:
    return f"\\fI{_plain(text)}\\fR"


def _text(text: str) -> str:
    """Spell text in short lines, as roff's own tools ask for; a line that begins as a request would is none."""
    lines = textwrap.wrap(_plain(text), WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in lines)


def _plain(text: str) -> str:
    """Spell text in roff: nothing in it is a request or an escape.

    >>> print(_plain(r"a-b … don't"))
    a\\-b ... don\\(aqt
    """
    spelled = " ".join(text.replace("…", "...").split())
    for sign, escape in {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga"}.items():
        spelled = spelled.replace(sign, escape)
    return _NOT_ASCII.sub(lambda sign: f"\\[u{ord(sign[0]):04X}]", spelled)
