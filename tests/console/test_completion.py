"""What a Tab is answered: commands, options, choices, files and the names of the workspace, without anything heavy."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from console.cli.completion import SHELLS, is_asked
from console.cli.completion.answer import answer
from console.cli.completion.expected import Candidate, PathKind, expected_after
from console.cli.completion.names import MOST
from console.cli.main import COMMANDS, build_parser, main, parser_to_complete
from console.mlops.cli import main as mlops_main
from core.errors import ExitCode
from tests.terminal.documented import PARSERS, every_command, subcommands

STATE = {
    "registry": {
        "models": {"1": {"model": "spread"}, "2": {"model": "rating"}, "3": {"model": "$(touch /tmp/owned)"}},
        "versions": {
            "1": {"model": "spread", "version": "1.0.0", "stage": "Archived", "metrics": {"mae": 1.0}},
            "2": {"model": "spread", "version": "1.1.0", "stage": "Production"},
            "3": {"model": "rating", "version": "2.0.0", "stage": "Staging"},
        },
        "rollouts": {"1": {"rollout_id": "ro-0001", "model": "spread"}},
    },
    "sessions": {"sessions": {"1": {"session_id": "s-0001", "name": "night"}}},
    "runs": {"runs": {"1": {"run_id": "r-0001", "name": "first\ttry"}, "2": {"run_id": "r-0002", "name": "second"}}},
    "retraining": {"retrainings": {"1": {"retraining_id": "rt-0001", "model": "rating"}}},
    "alerts": {
        "alerts": {
            "1": {"fingerprint": "aa11", "rule": "cpu_high", "state": "firing"},
            "2": {"fingerprint": "bb22", "rule": "cpu_high", "state": "resolved"},
        }
    },
    "silences": {"silences": {"1": {"silence_id": "si-0001", "comment": "upgrade"}}},
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A workspace, as completion sees it: nothing but state files."""
    root = tmp_path / "home"
    (root / "state").mkdir(parents=True)
    for name, tables in STATE.items():
        (root / "state" / f"{name}.json").write_text(json.dumps(tables))
    monkeypatch.setenv("BONDX_HOME", str(root))
    return root


@pytest.fixture
def tab(called):
    """Press Tab behind these words, and return the kind of files and the lines of candidates."""

    def press(*words: str, shell: str = "fish", program=main) -> tuple[str, list[str]]:
        code, out, err = called(program, "completion", shell, "--", *words)
        assert (code, err) == (ExitCode.GOOD, "")
        kind, *lines = out.splitlines()
        return kind, lines

    return press


def words_of(answered: tuple[str, list[str]]) -> set[str]:
    return {line.partition("\t")[0] for line in answered[1]}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_first_word_is_any_command(tab, shell):
    assert words_of(tab("", shell=shell)) == set(subcommands(build_parser())) == set(COMMANDS)
    assert words_of(tab("re", shell=shell)) == {"registry", "restore", "retrain"}


def test_commands_stand_beside_what_they_do_where_a_shell_shows_it(tab):
    assert tab("regi", shell="zsh") == tab("regi", shell="fish")
    assert tab("regi")[1][0].startswith("registry\tregister, promote")
    assert tab("regi", shell="bash")[1] == ["registry"]


@pytest.mark.parametrize("command", sorted(every_command()), ids=" ".join)
def test_every_word_and_option_of_every_command_is_offered(command):
    program, *words = command
    parser = PARSERS[program]
    for depth, word in enumerate(words):
        found = {each.word for each in expected_after(parser, words[:depth], word).candidates}
        assert word in found
    below = parser
    for word in words:
        below = subcommands(below)[word]
    offered = {each.word for each in expected_after(parser, words, "-").candidates}
    for action in below._actions:
        if action.option_strings:
            assert offered & set(action.option_strings)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["registry", "promote", ""], {"spread", "rating"}),
        (["registry", "promote", "spread", ""], {"1.0.0", "1.1.0"}),
        (["registry", "diff", "rating", "2.0.0", ""], {"2.0.0"}),
        (["registry", "promote", "--stage", "staging", "sp"], {"spread"}),
        (["explain", "spread@"], {"spread@1.0.0", "spread@1.1.0"}),
        (["session", "show", ""], {"s-0001"}),
        (["runs", "compare", "r-0001", "r"], {"r-0001", "r-0002"}),
        (["rollout", "show", ""], {"ro-0001", "spread", "rating"}),
        (["retrain", "hold", "rt"], {"rt-0001"}),
        (["alerts", "acknowledge", ""], {"aa11"}),
        (["alerts", "silence", "expire", ""], {"si-0001"}),
        (["drift", "why", "rating", "--version", ""], {"2.0.0"}),
        (["drift", "why", "rating", "--version="], {"--version=2.0.0"}),
        (["--workspace", "/nowhere", "registry", "promote", ""], set()),
        (["show", "ov"], {"overview"}),
        (["completion", ""], set(SHELLS)),
        (["nonsense", ""], set()),
        (["registry", "nonsense", ""], set()),
        (["alerts", "eval", ""], set()),
        (["status", "--no-such-option", "--pl"], {"--plain"}),
        (["alerts", "eval", "--", "-"], set()),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_word_is_completed_by_what_can_stand_there(home, tab, words, found):
    assert words_of(tab(*words)) == found


def test_names_of_the_workspace_are_completed_for_bondx_mlops(home, tab):
    assert words_of(tab("evaluate", "--model", "", program=mlops_main)) == {"spread", "rating"}
    assert words_of(tab("evaluate", "--model", "spread", "--version", "1.1", program=mlops_main)) == {"1.1.0"}


def test_a_name_that_a_shell_would_read_as_a_command_is_not_offered(home, tab):
    assert not [word for word in words_of(tab("registry", "promote", "", shell="bash")) if "$" in word]


def test_a_meaning_holds_no_tab_of_its_own(home, tab):
    assert tab("runs", "show", "r-0001")[1] == ["r-0001\tfirst try"]


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["--workspace", "x"], PathKind.FOLDERS),
        (["run", "--config", ""], PathKind.FILES),
        (["run", "--config=con"], PathKind.FILES),
        (["compliance", "check", ""], PathKind.FILES),
        (["backup", "--to", ""], PathKind.FOLDERS),
        (["registry", "list", ""], PathKind.NONE),
        (["alerts", "check", "one.yaml", ""], PathKind.FILES),
    ],
)
def test_the_shell_completes_files_and_folders(home, tab, words, kind):
    assert tab(*words)[0] == kind


def test_an_option_is_offered_once_and_bars_those_that_exclude_it(tab):
    options = words_of(tab("doctor", "--space", "--json", "-"))
    assert "--reason" in options
    assert not options & {"--space", "--json", "--repair", "--health", "--compact"}
    assert "--metric" in words_of(tab("registry", "register", "--metric", "mae=1", "-"))  # repeatable


def test_bash_hands_over_quotes_and_variables(home, tab, monkeypatch, tmp_path):
    monkeypatch.setenv("DESK", str(home))
    monkeypatch.setenv("BONDX_HOME", "/nowhere")
    for spelled in (f'"{home}"', f"'{home}'", "$DESK", '"$DESK"'):
        assert words_of(tab("--workspace", spelled, "registry", "promote", "sp", shell="bash")) == {"spread"}
    assert tab("--workspace", "'my d", shell="bash")[0] == PathKind.FOLDERS


def test_a_damaged_file_offers_nothing_and_complains_of_nothing(home, tab):
    (home / "state" / "registry.json").write_text("torn")
    assert tab("registry", "promote", "") == (PathKind.NONE, [])


def test_a_meaning_is_shown_with_the_values_filled_in():
    parser = argparse.ArgumentParser(prog="desk")
    parser.add_subparsers(metavar="COMMAND").add_parser("judge", help="be 95 %% sure (%(dest)s)")
    (judge,) = expected_after(parser, [], "j").candidates
    assert judge == Candidate("judge", "be 95 % sure (judge)")


def test_no_name_is_read_after_the_last_that_is_offered(home, tab, monkeypatch):
    def names(*_):
        yield from (Candidate(f"m{number}") for number in range(MOST))
        raise AssertionError("read on")

    monkeypatch.setattr("console.cli.completion.names.names_for", names)
    assert len(tab("registry", "promote", "")[1]) == MOST


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_a_stream_of_any_encoding_gets_the_answer(home, encoding):
    (home / "state" / "sessions.json").write_text(
        '{"sessions": {"1": {"session_id": "s-0001", "name": "night → day"}}}'
    )
    done = subprocess.run(
        [sys.executable, "-m", "console.cli.main", "completion", "fish", "--", "session", "show", ""],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": encoding},
    )
    arrow = "→" if encoding == "utf-8" else "\\u2192"
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode(encoding) == f"none\ns-0001\tnight {arrow} day\n"


@pytest.mark.parametrize("line", ["| true", ">&-", "> /dev/full"])
def test_a_shell_that_does_not_read_the_answer_hears_no_complaint(home, line):
    command = f"set -o pipefail; {sys.executable} -m console.cli.main completion bash -- '' {line}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("module", ["console.cli.main", "console.mlops.cli"])
def test_a_start_imports_of_completion_what_tells_the_question_alone(module):
    code = (
        f"import sys; from {module} import main; main(['--help']);"
        "print([name for name in sys.modules if name.startswith('console.cli.completion')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "['console.cli.completion']"


def test_nothing_is_written_and_nothing_heavy_is_imported(home):
    (home / "state" / "registry.json.lock").unlink(missing_ok=True)
    before = sorted(os.walk(home))
    code = (
        "import sys; from console.cli.main import main; main(['completion', 'bash', '--', 'registry', 'promote', '']);"
        "print(sorted({'textual', 'rich', 'numpy', 'tinydb', 'yaml', 'logging', 'cryptography'} & set(sys.modules)),"
        "sorted(name for name in sys.modules if name.startswith('console.commands.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *_, last = done.stdout.splitlines()
    assert "spread" in done.stdout
    assert last.startswith("[] ")
    assert "console.commands.registry'" in last
    assert "console.commands.serve" not in last
    assert sorted(os.walk(home)) == before


def test_names_of_commands_alone_import_no_command(tab):
    parser = parser_to_complete([], shows_meanings=False)
    assert set(subcommands(parser)) == set(COMMANDS)
    code = (
        "import sys; from console.cli.main import main; main(['completion', 'bash', '--', '']);"
        "print([name for name in sys.modules if name.startswith('console.commands.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "['console.commands.opening', 'console.commands.console']"


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_a_shell_is_printed(called, shell):
    code, out, _ = called(main, "completion", shell)
    assert code == 0
    assert out == (Path(__file__).parents[2] / "console" / "cli" / "completion" / f"bondx.{shell}").read_text()
    assert "bondx-mlops" in out


def test_only_the_question_of_a_script_is_answered_so():
    assert not is_asked(["completion", "bash"])
    assert not is_asked(["registry", "bash", "--", ""])
    assert not is_asked(["completion", "tcsh", "--", ""])
    with pytest.raises(NotImplementedError):
        answer(["completion", "bash", "--", ""], _refusing)


def _refusing(words, *, shows_meanings):
    raise NotImplementedError
