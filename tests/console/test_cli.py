"""The command line: exit codes and JSON are an API, and nothing heavy is paid for before it is used."""

import contextlib
import functools
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from console.cli.main import build_parser, main
from console.commands.run import find_or_start
from core.settings.in_force import laid_over
from core.state import Workspace
from core.training.sessions import Sessions
from core.view.past.recorder import DocumentRecorder
from tests.waiting import PATIENCE_SECONDS

HEAVY = ("textual", "rich", "numpy", "pandas", "scipy", "sklearn", "lightgbm", "pyarrow")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BONDX_HOME", str(tmp_path / "home"))
    assert main(["init"]) == 0
    return tmp_path / "home"


@pytest.fixture
def answer(called):
    """Run a command and return its exit code, stdout and stderr."""
    return functools.partial(called, main)


def test_init_writes_every_default_with_its_meaning(home):
    text = (home / "bondx.yaml").read_text()
    assert "max_epochs: 100" in text
    assert "# maximum number of epochs" in text


def test_init_again_keeps_what_was_changed(home):
    (home / "bondx.yaml").write_text("max_epochs: 7\n")
    assert main(["init"]) == 0
    assert (home / "bondx.yaml").read_text() == "max_epochs: 7\n"


def test_the_flag_wins_over_the_environment(home, tmp_path, answer):
    other = tmp_path / "other"
    assert answer("--workspace", other, "init")[0] == 0
    assert answer("init", "--workspace", tmp_path / "third")[0] == 0

    assert (other / "bondx.yaml").is_file()
    assert (tmp_path / "third" / "bondx.yaml").is_file()


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("session", "list"),
        ("runs", "list"),
        ("registry", "list"),
        ("alerts", "list"),
        ("audit", "verify"),
        ("doctor",),
    ],
    ids=" ".join,
)
def test_a_command_without_a_workspace_says_how_to_make_one(command, tmp_path, answer):
    code, out, err = answer("--workspace", tmp_path / "nowhere", *command)

    assert code == 2
    assert out == ""
    assert "bondx init" in err


@pytest.mark.parametrize(
    "command",
    [("session", "list"), ("runs", "list"), ("registry", "list"), ("alerts", "list"), ("audit", "tail"), ("doctor",)],
    ids=" ".join,
)
def test_a_listing_of_nothing_is_an_empty_list_in_json_and_a_sentence_for_people(command, home, answer):
    code, out, err = answer(*command, "--json")
    assert (code, json.loads(out), err) == (0, [], "")

    code, out, _ = answer(*command)
    assert code == 0
    assert len(out.strip()) > 10


def test_status_of_an_empty_workspace_exits_with_0(home, answer):
    code, out, _ = answer("status", "--json")

    facts = json.loads(out)
    assert code == 0
    assert (facts["engine"], facts["sessions"], facts["production"], facts["alerts"]) == (None, [], [], [])
    assert answer("status", "--plain")[1].splitlines()[1] == "engine: not running"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bondx.yaml", "max_epochs: 010\n"),
        ("bondx.yaml", "console: {keys: {registry.promote: q}}\n"),
        ("policy.yaml", "{"),
        ("production_policy.yaml", "promotion: 3\n"),
    ],
)
def test_status_names_a_settings_file_that_cannot_be_used(home, answer, name, text):
    (home / name).write_text(text)

    code, out, _ = answer("status", "--plain")
    assert code == 1
    (line,) = (line for line in out.splitlines() if line.startswith("problem: "))
    assert f"{home / name}, line 1" in line


def test_status_names_refused_keys_beside_another_problem(home, answer):
    (home / "bondx.yaml").write_text("console: {keys: {registry.promote: q}}\n")
    (home / "policy.yaml").write_text("{")

    problems = [line for line in answer("status", "--plain")[1].splitlines() if line.startswith("problem: ")]
    assert [name in line for name, line in zip(("policy.yaml", "bondx.yaml"), problems, strict=True)] == [True, True]


def test_status_shows_the_workspace_at_a_past_time(home, answer):
    workspace = Workspace.open(home)
    at = datetime(2026, 3, 1, 2, 50, tzinfo=UTC)
    with contextlib.closing(DocumentRecorder(workspace, hours=24, clock=lambda: at)) as recorder:
        recorder.look()
        assert answer("session", "start", "--epochs", 2)[0] == 0
        now = json.loads(answer("status", "--json")[1])
        then = json.loads(answer("status", "--at", "2026-03-01T02:50:10", "--json")[1])
    assert [session["session_id"] for session in now["sessions"]] == ["s-0001"]
    assert (then["sessions"], then["problems"]) == ([], [])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(("--at", "teatime"), "'teatime' is not a time: write 02:50", id="no time"),
        pytest.param(("--at", "2020-01-01T00:00"), "nothing is recorded yet", id="nothing recorded"),
        pytest.param(("--at", "02:50", "--watch"), "leave one out", id="watching the past"),
    ],
)
def test_a_past_that_cannot_be_shown_is_one_clear_error(home, answer, arguments, says):
    code, out, err = answer("status", *arguments)
    assert (code, out) == (2, "")
    assert says in err


def test_a_queued_session_can_be_paused_resumed_and_stopped_without_an_engine(home, answer):
    code, out, err = answer("session", "start", "--epochs", 2, "--name", "nightly", "--json")
    session = json.loads(out)
    assert code == 0
    assert "no engine runs here" in err
    assert (session["session_id"], session["name"], session["settings"]["max_epochs"]) == ("s-0001", "nightly", 2)

    for verb, desired in (("pause", "paused"), ("resume", "running"), ("stop", "stopped")):
        code, out, _ = answer("session", verb, "s-0001", "--reason", "because", "--json")
        assert (code, json.loads(out)["desired"]) == (0, desired)

    verbs = [record["verb"] for record in json.loads(answer("audit", "tail", "--json")[1])]
    assert verbs[:2] == ["session.start", "session.pause"]
    assert answer("audit", "verify")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        pytest.param(("session", "show", "s-0404"), 2, "s-0404", id="no such session"),
        pytest.param(("runs", "show", "r-0404"), 2, "r-0404", id="no such run"),
        pytest.param(("registry", "show", "spread", "1.0.0"), 2, "spread", id="no such model"),
        pytest.param(("registry", "promote", "../../etc", "1.0.0"), 2, "../../etc", id="path as a model"),
        pytest.param(("registry", "rollback", "spread\x1b[2J"), 2, "spread", id="escape sequence as a model"),
        pytest.param(("alerts", "acknowledge", "nope"), 2, "nope", id="no such alert"),
        pytest.param(("session", "start", "--epochs", "0"), 2, "--epochs: '0' must be a whole number", id="no epochs"),
        pytest.param(("session", "start", "--config", "/nowhere.yaml"), 2, "/nowhere.yaml", id="no such config"),
        pytest.param(
            ("data", "generate", "bonds", "--rows", "0", "--out", "x"),
            2,
            "--rows: '0' must be a whole number",
            id="no rows",
        ),
        pytest.param(("data", "generate", "bonds", "--rows", "many", "--out", "x"), 2, "many", id="rows not a number"),
        pytest.param(
            ("data", "generate", "etrm", "--start", "soon", "--out", "x"),
            2,
            "--start: 'soon' must be a date such as 2023-01-31",
            id="start not a date",
        ),
        pytest.param(
            ("data", "generate", "etrm", "--trades", "0", "--out", "x"),
            2,
            "num_trades is 0. Give a whole number from 1",
            id="no trades",
        ),
        pytest.param(
            ("data", "generate", "etrm", "--commodities", "GOLD", "--out", "x"),
            2,
            "commodities has 'GOLD', which is no commodity",
            id="no such commodity",
        ),
        pytest.param(("nonsense",), 2, "nonsense", id="no such command"),
    ],
)
def test_a_bad_request_gets_one_clear_error(arguments, code, says, home, answer):
    got, out, err = answer(*arguments)

    assert got == code
    assert out == ""
    assert says in err
    assert "\x1b" not in err
    assert "Traceback" not in err


def test_a_bad_settings_file_is_named_with_its_line_and_nothing_is_queued(home, tmp_path, answer):
    config = tmp_path / "bad.yaml"
    config.write_text("max_epochs: 3\npatience: -1\n")

    code, _, err = answer("session", "start", "--config", config)

    assert code == 2
    assert f"{config}, line 2, column 1: patience is -1" in err
    assert json.loads(answer("session", "list", "--json")[1]) == []


def test_a_switch_that_a_model_cannot_follow_is_answered_with_a_sentence(home, tmp_path, answer):
    config = tmp_path / "features.yaml"
    config.write_text("advanced: {enable_feature_selection: true}\nstress_testing: {enable_stress_testing: true}\n")

    code, _, err = answer("session", "start", "--config", config)

    assert code == 0
    assert "enable_feature_selection is on, but anomaly has no target to judge columns by" in err
    assert "stress" not in err


def test_a_session_of_another_domain_takes_neither_models_nor_own_settings_from_the_workspace(home, answer):
    (home / "bondx.yaml").write_text("max_epochs: 3\nmodels: {spread: {}}\ndomain_settings: {esg_base: -2.0}\n")

    started = json.loads(answer("session", "start", "--domain", "etrm", "--json")[1])

    training = Sessions(Workspace.open(home)).get(started["session_id"]).training
    assert (training.domain, training.max_epochs, training.domain_settings) == ("etrm", 3, {})
    assert set(training.models) == {"etrm_risk", "etrm_breach", "etrm_off_market"}


def test_a_session_takes_its_experiment_from_the_flag_then_the_settings_then_the_domain(home, answer):
    def started(*arguments):
        return json.loads(answer("session", "start", *arguments, "--json")[1])["session_id"]

    started()
    (home / "bondx.yaml").write_text("experiment_name: desk\n")
    started()
    started("--experiment", "night desk")

    listed = json.loads(answer("session", "list", "--json")[1])
    assert [each["experiment"] for each in listed] == ["night desk", "desk", "bonds"]
    assert "night desk" in answer("session", "show", "s-0003")[1]
    code, _, err = answer("session", "start", "--experiment", "two\nlines")
    assert (code, "is not an experiment's name" in err) == (2, True)


def test_a_run_of_another_experiment_resumes_no_unfinished_session(home, answer):
    answer("session", "start", "--experiment", "desk")
    parser, workspace = build_parser(), Workspace.open(home)

    resumed = [
        find_or_start(workspace, parser.parse_args(["run", "--headless", *experiment]))[1]
        for experiment in (["--experiment", "desk"], [], ["--experiment", "other"])
    ]

    assert resumed == [True, True, False]
    assert [session.experiment for session in Sessions(workspace).all()] == ["desk", "other"]


def test_an_unknown_domain_is_refused_with_the_domains_there_are(home, answer):
    code, _, err = answer("session", "start", "--domain", "etrn")

    assert code == 2
    assert all(name in err for name in ("etrn", "bonds", "etrm"))


def test_a_run_with_the_file_of_an_unfinished_session_resumes_it(home, tmp_path, answer):
    config = tmp_path / "mine.yaml"
    config.write_text("max_epochs: 3\nensemble: {base_models: [spread_model]}\n")
    started = json.loads(answer("session", "start", "--config", config, "--json")[1])

    arguments = build_parser().parse_args(["run", "--headless", "--config", str(config)])
    with laid_over(config):
        again = find_or_start(Workspace.open(home), arguments)
        config.write_text("max_epochs: 4\n")
        other = find_or_start(Workspace.open(home), arguments)

    assert (again[0].session_id, again[1]) == (started["session_id"], True)
    assert (other[0].session_id, other[1]) == ("s-0002", False)


def test_generated_data_is_the_same_for_the_same_seed(tmp_path, answer):
    for folder in ("a", "b"):
        assert answer("data", "generate", "bonds", "--rows", 120, "--seed", 7, "--out", tmp_path / folder)[0] == 0

    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert "lineage.json" in names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("verb", [("acknowledge",), ("resolve",), ("snooze", "--for", "1h")], ids=lambda verb: verb[0])
def test_a_decision_about_several_alerts_is_about_all_or_none(verb, home, answer):
    from core.alerts import Alerts
    from core.clock import utc_now
    from core.state import Workspace

    answer("init")
    alerts = Alerts(Workspace.open(home))
    alert = alerts.fire("gate_failed", labels={"gate": "a"}, summary="coverage", now=utc_now())
    code, _, complaints = answer("alerts", verb[0], alert.fingerprint, "nosuch", *verb[1:])
    assert code == 2
    assert "No alert was changed, because 1 of 2 could not be changed." in complaints
    assert "nosuch" in complaints
    assert alerts.all() == [alert]


@pytest.mark.parametrize(
    "command",
    [
        ("show", "gate_failed"),
        ("notifications", "--alert", "gate_failed"),
        ("comment", "gate_failed", "seen"),
        ("snooze", "gate_failed", "--for", "1h"),
        ("acknowledge", "gate_failed"),
        ("resolve", "gate_failed"),
    ],
    ids=lambda command: command[0],
)
def test_an_alert_is_named_where_no_other_has_its_name(command, home, answer):
    from core.alerts import Alerts
    from core.clock import utc_now
    from core.state import Workspace

    answer("init")
    alerts = Alerts(Workspace.open(home))
    alerts.fire("gate_failed", labels={"gate": "a"}, summary="coverage", now=utc_now())
    assert answer("alerts", *command)[0] == 0
    other = alerts.fire("gate_failed", labels={"gate": "b"}, summary="coverage", now=utc_now())
    code, _, complaints = answer("alerts", *command)
    assert code == 2
    assert f"{other.fingerprint} firing gate_failed{{gate=b}}" in complaints


@pytest.mark.parametrize("noun", ["receivers", "silence"])
def test_a_noun_with_a_list_lists_alone(noun, home, answer):
    answer("init")
    assert answer("alerts", noun) == answer("alerts", noun, "list")
    assert answer("alerts", noun, "--json") == answer("alerts", noun, "list", "--json")


def test_a_bug_is_logged_and_reported_in_one_line(home, monkeypatch, answer):
    monkeypatch.setattr("console.commands.init.create_workspace", lambda args: 1 / 0)

    code, out, err = answer("init")

    assert (code, out) == (70, "")
    assert len(err.strip().splitlines()) == 1
    assert "ZeroDivisionError" in err
    assert "Traceback" in (home / "logs" / "bondx.log").read_text()


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["status"], ["registry", "list"], ["session", "list"], ["audit", "tail"]],
    ids=" ".join,
)
def test_nothing_heavy_is_imported(arguments, home):
    code = (
        "import sys\nfrom console.cli.main import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
        f"print('loaded:', *[name for name in {HEAVY!r} if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_SECONDS)

    assert ran.stdout.splitlines()[-1] == "loaded:", ran.stderr


def test_a_closed_pipe_ends_as_sigpipe_does(home):
    command = f"{sys.executable} -m console.cli.main session list --json | true; echo ${{PIPESTATUS[0]}}"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=PATIENCE_SECONDS)

    assert (ran.stdout.strip(), ran.stderr) == ("141", "")


def test_the_doctor_examines_the_machine_without_a_workspace(tmp_path, answer):
    code, out, err = answer("--workspace", tmp_path / "nowhere", "doctor", "--environment", "--json")
    items = {item["name"]: item for item in json.loads(out)}
    assert (code, err) == (0, "")
    assert all(item["is_present"] for item in items.values() if item["is_required"])
    assert {"Python", "SQLite", "libgomp.so.1", "lightgbm", "tmux", "extra mlflow", "terminal"} <= set(items)

    code, out, _ = answer("doctor", "--environment")
    assert code == 0
    assert "ok      Python " in out


def test_a_machine_that_lacks_what_is_needed_fails_with_the_cure(answer, monkeypatch):
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    code, out, _ = answer("doctor", "--environment")
    (line,) = [line for line in out.splitlines() if line.startswith("missing")]
    assert code == 1
    assert line.split()[1] == "lightgbm"
    assert "fix: " in line
