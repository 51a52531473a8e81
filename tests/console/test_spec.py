"""`bondx --spec` is the parser as data: nothing of it is missing."""

import argparse
import json
from collections.abc import Iterator

import pytest

from console.cli.main import build_parser, main
from console.mlops.cli import build_parser as build_mlops_parser
from console.mlops.cli import main as mlops_main
from core.errors import ExitCode


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from parsers(below)


def described(command: dict) -> Iterator[dict]:
    yield command
    for below in command["commands"]:
        yield from described(below)


@pytest.mark.parametrize(
    ("run", "parser"), [(main, build_parser()), (mlops_main, build_mlops_parser())], ids=["bondx", "bondx-mlops"]
)
def test_every_command_option_choice_and_default_is_described(called, run, parser):
    code, out, _ = called(run, "--spec")
    spec = json.loads(out)
    found = {command["command"]: command for command in described(spec)}

    assert code == 0
    assert {str(int(code)) for code in ExitCode} <= spec["exit_codes"].keys()
    for each in parsers(parser):
        told = found[each.prog]
        options = {flag: option for option in told["options"] for flag in option["flags"]}
        for action in each._actions:
            if isinstance(action, argparse._SubParsersAction):
                continue
            if action.option_strings:
                option = options[action.option_strings[0]]
                assert option["choices"] == (list(map(str, action.choices)) if action.choices else None)
                assert (option["type"] == "switch") is (action.nargs == 0)
                if isinstance(action.default, int) and not isinstance(action.default, bool):
                    assert option["default"] == action.default
            else:
                assert str(action.metavar or action.dest) in [argument["name"] for argument in told["arguments"]]


def test_a_spec_is_the_same_whatever_stands_around_it(called):
    whole = called(main, "--spec")
    assert called(main, "--workspace", "w", "--spec") == whole
    assert called(main, "status", "--spec")[0] == 2  # it is an option of the program
