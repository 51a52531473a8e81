"""The `serving` block of bondx.yaml applies to a real server, and flags override it."""

import json
import urllib.error
import urllib.request

import pytest

from console.cli.main import build_parser, main
from console.commands.run import _api
from console.commands.serve import start_server
from core.errors import UsageError
from core.serving.access import Role, Tokens
from core.serving.limits import ServingLimits
from core.settings import ServingSettings, SettingsError, load_settings
from tests.waiting import PATIENCE_SECONDS, until


@pytest.fixture
def configured(workspace):
    """Write the serving block of the workspace, and parse a command line of it."""

    def write(block: str, *flags: str):
        workspace.settings_file.write_text(f"policy: {{promotion: {{min_accuracy: 0}}}}\nserving: {block}\n")
        return build_parser(("serve",)).parse_args(["--workspace", str(workspace.root), "serve", *flags])

    return write


@pytest.fixture
def started(workspace):
    """Start servers that end with the test."""
    servers = []

    def start(args):
        server = start_server(workspace, args.listen, args)
        servers.append(server)
        until(lambda: server.table.is_complete, "a server that is ready")
        return server

    yield start
    for server in servers:
        server.stop()


def post(server, path, body, token=None):
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(server.url + path, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_the_defaults_are_those_of_a_server_without_settings():
    assert ServingLimits.of(ServingSettings()) == ServingLimits()


def test_a_server_follows_the_serving_block_and_flags_override_it(
    configured, started, workspace, artifacts, put_live, rows_of, ana
):
    put_live(workspace, "spread", artifacts / "spread")
    block = '{listen: "127.0.0.1:0", max_rows: 2, max_body_mib: 0.01}'
    rows = rows_of("spread", 3)
    by_settings, by_flags = started(configured(block)), started(configured(block, "--max-rows", "3"))
    status, body = post(by_settings, "/api/v1/predict/spread", {"rows": rows})
    assert (status, "at most 2" in body["error"]) == (413, True)
    assert post(by_settings, "/api/v1/predict/spread", {"rows": rows[:2]})[0] == 200
    assert post(by_settings, "/api/v1/predict/spread", {"rows": rows[:1], "request_id": "x" * 20_000})[0] == 413
    assert post(by_flags, "/api/v1/predict/spread", {"rows": rows})[0] == 200


def test_run_with_api_listens_on_the_address_of_the_serving_block(configured, workspace, capsys):
    configured('{listen: "127.0.0.1:0"}')
    with _api(workspace, ""):
        assert "serving on http://127.0.0.1:" in capsys.readouterr().err


def test_predictions_are_not_recorded_if_turned_off(configured, started, workspace, artifacts, put_live, rows_of, ana):
    put_live(workspace, "spread", artifacts / "spread")
    server = started(configured('{listen: "127.0.0.1:0", record_predictions: false}'))
    _, token = Tokens(workspace).create("own", Role.VIEWER, actor=ana)
    (row,) = rows_of("spread", 1)
    assert post(server, "/api/v1/predict/spread", {"row": row})[0] == 200
    status, body = post(server, "/api/v1/outcomes", {"outcomes": [{"request_id": "1", "actual": 1.0}]}, token)
    assert (status, "serving.record_predictions" in body["error"]) == (422, True)
    server.stop()
    assert not workspace.predictions_file.exists()


def test_local_callers_need_a_token_if_the_settings_say_so(configured, started, workspace, ana):
    server = started(configured('{listen: "127.0.0.1:0", local_reads: false}'))
    _, token = Tokens(workspace).create("own", Role.VIEWER, actor=ana)
    plan = {"verb": "rollback"}
    assert post(server, "/api/v1/models/spread/plans", plan)[0] == 401
    assert post(server, "/api/v1/predict/spread", {"row": {}})[0] == 401
    assert post(server, "/api/v1/models/spread/plans", plan, token)[0] == 404


@pytest.mark.parametrize(
    ("block", "says"),
    [
        pytest.param("{max_row: 3}", "did you mean max_rows?", id="nearest"),
        pytest.param("{max_rows: 0}", "serving.max_rows is 0", id="range"),
        pytest.param("{workers: many}", "serving.workers is 'many'", id="type"),
        pytest.param("{listen: nowhere}", "serving.listen is 'nowhere'", id="address"),
        pytest.param("{listen: 127.0.0.1:8501-8510}", "with one port from 0 to 65535", id="a range of ports"),
        pytest.param("{listen: '8501:8510'}", "with one port from 0 to 65535", id="a range that looks like a host"),
        pytest.param("{listen: 0.0.0.0:65536}", "with one port from 0 to 65535", id="a port beyond the last"),
        pytest.param("{listen: 99999}", "with one port from 0 to 65535", id="a number"),
        pytest.param("{answer_seconds: .inf}", "serving.answer_seconds is inf", id="not finite"),
    ],
)
def test_a_wrong_value_names_file_field_and_cure(configured, workspace, capsys, block, says):
    configured(block)
    with pytest.raises(SettingsError, match=r"bondx\.yaml, line 2, column [1-9]"):
        load_settings(workspace.settings_file)
    assert main(["--workspace", str(workspace.root), "serve"]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("typed", ["nan", "inf", "1e999"])
def test_a_flag_that_is_not_finite_is_refused_by_name(workspace, capsys, typed):
    with pytest.raises(SystemExit) as refusal:
        build_parser().parse_args(["serve", "--max-body-mib", typed])
    assert refusal.value.code == 2
    assert f"argument --max-body-mib: '{typed}' must be a finite number" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--max-rows", "0"), "--max-rows 0: expected a whole number >= 1."),
        (("--max-body-mib", "0"), "--max-body-mib 0: expected a number"),
        (("--time-out", "-1"), "--time-out -1: expected a number > 0.0."),
    ],
)
def test_flags_have_the_same_ranges(configured, workspace, flags, says):
    args = configured("{}", *flags)
    with pytest.raises(UsageError) as refused:
        start_server(workspace, "127.0.0.1:0", args)
    assert says in str(refused.value)
