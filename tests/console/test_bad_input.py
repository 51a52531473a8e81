"""Any word in the place of any argument: a command works, or one line says what is wrong; none is taken for a bug."""

import argparse
from collections.abc import Iterator

import pytest

from console.cli.main import build_parser, main
from console.cli.parser import FREE_TEXT, CommandParser, shortened
from console.mlops.cli import build_parser as build_mlops_parser
from console.mlops.cli import main as mlops_main
from core.errors import UsageError
from core.registry import Registry

PROGRAMS = pytest.mark.parametrize(
    ("build", "run"), [(build_parser, main), (build_mlops_parser, mlops_main)], ids=["bondx", "bondx-mlops"]
)
LASTING = {"bondx", "bondx run", "bondx serve", "bondx logs", "bondx session wait", "bondx rollout status"}
MEANT = {"MODEL": "spread", "VERSION": "1.3.0", "RUN": "r-0001", "SESSION": "s-0001", "ROLLOUT|MODEL": "ro-0002"}


def commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Walk the commands that can be run."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not any(action.required for action in below):
        yield parser
    for action in below:
        for command in dict.fromkeys(action.choices.values()):
            yield from commands(command)


def meant(action: argparse.Action) -> str:
    """Return a word that the parser takes for an argument."""
    if action.choices:
        return str(next(iter(action.choices)))
    for word in ("1", "0.5", "10m", "a=1", "staging"):
        try:
            action.type(word) if action.type else None
        except (argparse.ArgumentTypeError, ValueError):
            continue
        return MEANT.get(str(action.metavar), word)
    return "1"


def lines_with(command: argparse.ArgumentParser, word: str) -> Iterator[tuple[argparse.Action, list[str]]]:
    """Put a word in the place of each argument of a command."""
    arguments = [action for action in command._actions if action.nargs != 0 and not is_command(action)]
    for replaced in arguments:
        line = []
        for action in arguments:
            if action.option_strings and (action.required or action is replaced):
                value = word if action is replaced else meant(action)
                option = action.option_strings[-1]
                line.append(f"{option}={value}" if option.startswith("--") else f"{option}{value}")
        line += ["--"]
        for action in arguments:
            if not action.option_strings and (action is replaced or action.nargs not in ("?", "*")):
                line.append(word if action is replaced else meant(action))
        yield replaced, [*command.prog.split()[1:], *line]


def is_command(action: argparse.Action) -> bool:
    return isinstance(action, argparse._SubParsersAction)


@PROGRAMS
@pytest.mark.parametrize("blank", ["", " "], ids=["empty", "blank"])
def test_a_blank_word_is_refused_in_the_place_of_every_name(build, run, capsys, blank):
    parser = build()
    for command in commands(parser):
        assert isinstance(command, CommandParser)
        for argument, line in lines_with(command, blank):
            if argument.dest in FREE_TEXT or (argument.option_strings and argument.option_strings[-1][:2] != "--"):
                continue
            with pytest.raises(SystemExit) as refusal:
                parser.parse_args(line)
            said = capsys.readouterr().err
            assert (refusal.value.code, line) == (2, line)
            assert "is blank: leave it out or give a value; is a shell variable not set?" in said, line


@pytest.mark.parametrize("line", [("registry", "prune", "", "--yes"), ("--workspace", "", "status"), ("prune", "")])
def test_an_unset_variable_of_a_shell_widens_nothing(called, workspace, line):
    code, out, err = called(main, "--workspace", workspace.root, *line)
    assert (code, out) == (2, "")
    assert "is a shell variable not set?" in err


def test_a_blank_model_is_no_wish_for_every_model_in_python_either(workspace):
    with pytest.raises(UsageError):
        Registry(workspace).plan_prune("")


@PROGRAMS
@pytest.mark.parametrize("word", ["x" * 5000, "--"], ids=["endless", "dashes"])
def test_any_word_in_the_place_of_any_argument_is_answered_in_a_few_lines(
    build, run, called, workspace, monkeypatch, tmp_path, word
):
    monkeypatch.chdir(tmp_path)
    for command in commands(build()):
        if command.prog in LASTING:
            continue
        for _, line in lines_with(command, word):
            code, out, err = called(run, "--workspace", workspace.root, *line)
            said = err.partition("error: ")[2] or err
            assert code in (0, 1, 2, 3, 4), (line, err)
            assert "Traceback" not in out + err, line
            assert code == 0 or out or said, line
            assert all(len(line) < 1500 for line in said.splitlines()), (line, said)


def test_an_endless_word_is_cut_in_the_middle():
    assert shortened(f"no model {'a' * 400}") == f"no model {'a' * 400}"
    assert shortened(f"no model {'a' * 401}!") == f"no model {'a' * 200}…{'a' * 99}!"
