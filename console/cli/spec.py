"""The whole command line as data: every command, option, type, choice and default, and the exit codes.

Completion scripts, wrappers and documentation read it (`bondx --spec`). It is taken from the parser, so it cannot lag
behind.
"""

import argparse
from collections.abc import Mapping
from typing import Any

VERSION = 1  # of this format


def spec_of(parser: argparse.ArgumentParser, exit_codes: Mapping[int, str]) -> dict[str, Any]:
    """Describe a command line.

    Args:
        parser: Its parser, with all commands.
        exit_codes: What each exit code means.
    """
    return {
        "spec_version": VERSION,
        "exit_codes": {str(code): meaning for code, meaning in exit_codes.items()},
        **_command(parser),
    }


def _command(parser: argparse.ArgumentParser) -> dict[str, Any]:
    actions = [action for action in parser._actions if not isinstance(action, argparse._SubParsersAction)]
    exclusive = [
        {"required": group.required, "options": [_name(action) for action in group._group_actions]}
        for group in parser._mutually_exclusive_groups
    ]
    return {
        "command": parser.prog,
        "summary": parser.description,
        "arguments": [_argument(action) for action in actions if not action.option_strings],
        "options": [_argument(action) for action in actions if action.option_strings],
        "exclusive": exclusive,
        **_commands(parser),
    }


def _commands(parser: argparse.ArgumentParser) -> dict[str, Any]:
    below = next((action for action in parser._actions if isinstance(action, argparse._SubParsersAction)), None)
    if below is None:
        return {"commands": [], "needs_command": False}
    return {"commands": [_command(each) for each in below.choices.values()], "needs_command": below.required}


def _argument(action: argparse.Action) -> dict[str, Any]:
    takes_value = action.nargs != 0
    return {
        "name": _name(action),
        "flags": list(action.option_strings),
        "value": _value_name(action) if takes_value else None,
        "type": _type(action) if takes_value else "switch",
        "choices": [str(choice) for choice in action.choices] if action.choices is not None else None,
        "default": _default(action),
        "required": action.required,
        "values": {None: "one", "?": "optional", "*": "any", "+": "some", 0: "none"}.get(action.nargs, "one"),
        "repeatable": isinstance(action, argparse._AppendAction),
        "help": help_of(action),
    }


def help_of(action: argparse.Action) -> str | None:
    """Return the help of an argument, with its values filled in; None if it has none."""
    return action.help % vars(action) if action.help else None


def _name(action: argparse.Action) -> str:
    return max(action.option_strings, key=len, default=str(action.metavar or action.dest))


def _value_name(action: argparse.Action) -> str:
    return str(action.metavar or action.dest.upper())


def _type(action: argparse.Action) -> str:
    if action.type is None:
        return "text"
    name = getattr(action.type, "__name__", str(action.type))
    return {"str": "text", "int": "integer", "float": "number", "Path": "path"}.get(name, name.strip("_"))


def _default(action: argparse.Action) -> Any:
    if action.default is None or action.default == argparse.SUPPRESS:
        return None
    return action.default if isinstance(action.default, bool | int | float | list) else str(action.default)
