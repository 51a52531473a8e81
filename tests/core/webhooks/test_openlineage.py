"""Sessions, registrations, rollouts and promotions as OpenLineage: valid, whole, in order, each once."""

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry as Schemas
from referencing import Resource

from console.cli.main import main
from core import files
from core.actor import Actor, Origin
from core.alerts import Alerts
from core.clock import utc_now
from core.engine.context import EngineContext
from core.engine.workers.webhooks import WebhookSender
from core.errors import UsageError
from core.registry import Registry
from core.settings import Settings, SettingsError, TrainingSettings, load_settings
from core.settings.agents import AgentsSettings
from core.settings.current import CurrentSettings
from core.state import Workspace
from core.training.session import DesiredSession, SessionPhase
from core.training.sessions import Sessions
from core.webhooks import DeliveryState, Webhooks, line_file, request
from core.webhooks.delivery import WebhookCursor
from core.webhooks.line_file import append_event
from core.webhooks.queue import CURSORS, DATABASE
from tests.processes import dies
from tests.waiting import PATIENCE_SECONDS
from tools.demo import make_demo

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)
SHA256 = "ab" * 32
FOLDER = Path(__file__).parent / "openlineage"
SCHEMAS = {found["$id"]: found for found in (json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json")))}
KNOWN = Schemas().with_resources((name, Resource.from_contents(schema)) for name, schema in SCHEMAS.items())


def require_valid(event: dict[str, Any]) -> None:
    """Hold an event, and each of its facets, against the schema that it names."""
    for document in (event, *facets_of(event)):
        place, _, pointer = document["_schemaURL" if "_schemaURL" in document else "schemaURL"].partition("#")
        if place.startswith("urn:bondx:"):
            continue
        assert place in SCHEMAS, place
        schema = {"$ref": f"{place}#{pointer}"}
        Draft202012Validator(schema, registry=KNOWN, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(
            document
        )


def facets_of(document: Any) -> Iterator[dict[str, Any]]:
    if isinstance(document, dict):
        if "_schemaURL" in document:
            yield document
        for value in document.values():
            yield from facets_of(value)
    elif isinstance(document, list):
        for value in document:
            yield from facets_of(value)


@pytest.fixture
def lines(tmp_path):
    return tmp_path / "lineage.jsonl"


@pytest.fixture
def settled(workspace, lines):
    """A workspace whose events are written to a file."""
    return with_file(workspace, lines)


def with_file(workspace: Workspace, lines: Path) -> Workspace:
    workspace.settings_file.write_text(f"webhooks:\n- {{name: lineage, format: openlineage, file: '{lines}'}}\n")
    return workspace


def sender_of(workspace: Workspace) -> WebhookSender:
    return WebhookSender(
        EngineContext(
            workspace=workspace,
            settings=Settings(),
            current=CurrentSettings(workspace.root, Settings()),
            telemetry=None,
            alerts=Alerts(workspace),
            trainer=None,
            actor=Actor.engine(),
            clock=utc_now,
        )
    )


def told(lines: Path) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in lines.read_text().splitlines()]
    for event in events:
        require_valid(event)
    return events


def names(data_sets: list[dict[str, Any]]) -> list[str]:
    return [each["name"] for each in data_sets]


def states(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["job"]["name"], event["eventType"]) for event in events]


def register(workspace: Workspace, folder: Path, **more: Any):
    folder.mkdir(exist_ok=True)
    (folder / "weights.txt").write_text("1 2 3\n")
    columns = {"inputs": [{"name": "size", "type": "double"}, {"name": "tax_id", "type": "string"}], "outputs": []}
    (folder / "signature.json").write_text(json.dumps(columns))
    lineage = {"data": {"train": {"sha256": SHA256, "n_rows": 9}}}
    return Registry(workspace).register("pricing", folder, metrics={}, lineage=lineage, gates=(), actor=ANA, **more)


def test_a_session_is_a_run_whose_outputs_are_its_versions_and_whose_inputs_are_their_data(settled, lines, tmp_path):
    sender = sender_of(settled)
    sender.step()
    sessions = Sessions(settled)
    session = sessions.start(TrainingSettings(experiment_name="desk"), name="first", actor=ANA)
    observe = {"actor": Actor.engine(), "phase": SessionPhase.PREPARING}
    sessions.observe(session.session_id, "session.begin", run_id="r-0001", **observe)
    version = register(settled, tmp_path / "made", session_id=session.session_id)
    sessions.observe(session.session_id, "session.continue", **observe)
    observe["phase"] = SessionPhase.FINISHED
    sessions.observe(session.session_id, "session.finish", registered=(version.key,), **observe)
    sender.step()

    events = told(lines)
    assert states(events) == [("session.desk", state) for state in ("START", "RUNNING", "COMPLETE")]
    assert len({event["run"]["runId"] for event in events}) == 1
    end = events[-1]
    assert names(end["outputs"]) == ["pricing/1.0.0"]
    assert end["outputs"][0]["facets"]["version"]["datasetVersion"] == version.manifest_sha256
    (data,) = end["inputs"]
    assert data["name"] == f"data/{SHA256}"
    assert data["inputFacets"]["inputStatistics"]["rowCount"] == 9
    assert [field["name"] for field in data["facets"]["schema"]["fields"]] == ["size", "tax_id"]
    record = end["run"]["facets"]["bondx_auditRecord"]
    assert (record["verb"], record["actor"]) == ("session.finish", str(Actor.engine()))


def test_a_denied_column_is_in_no_event(settled, lines, tmp_path):
    settled.settings_file.write_text(settled.settings_file.read_text() + "explanation: {denied_columns: ['tax_*']}\n")
    sender = sender_of(settled)
    sender.step()
    register(settled, tmp_path / "made")
    sender.step()
    assert "size" in lines.read_text()
    assert "tax_id" not in lines.read_text()


@pytest.mark.parametrize(("verb", "state"), [("session.fail", "FAIL"), ("session.stopped", "ABORT")])
def test_a_session_that_does_not_finish_says_why(settled, lines, verb, state):
    sender = sender_of(settled)
    sender.step()
    sessions = Sessions(settled)
    session = sessions.start(TrainingSettings(), name="first", actor=ANA)
    observe = {"actor": Actor.engine(), "phase": SessionPhase.FAILED}
    sessions.observe(session.session_id, verb, run_id="r-0001", reason="the disk is full", **observe)
    sender.step()
    (event,) = told(lines)
    assert event["eventType"] == state
    assert event["run"]["facets"]["errorMessage"]["message"] == "the disk is full"


@pytest.mark.parametrize("column", ["tax_id", "tax class"])
def test_a_reason_that_names_a_denied_column_stays_in_the_audit_log(settled, lines, column):
    with settled.settings_file.open("a") as settings:
        settings.write("explanation: {denied_columns: ['tax_*', 'tax class']}\n")
    sender = sender_of(settled)
    sender.step()
    session = Sessions(settled).start(TrainingSettings(), name="first", actor=ANA)
    engine = Actor.engine()
    begun = Sessions(settled).observe(
        session.session_id, "session.begin", run_id="r-0001", phase=SessionPhase.PREPARING, actor=engine
    )
    reason = f"the column '{column}' is missing"
    Sessions(settled).observe(begun.session_id, "session.fail", phase=SessionPhase.FAILED, reason=reason, actor=engine)
    sender.step()
    assert column not in lines.read_text()
    message = told(lines)[-1]["run"]["facets"]["errorMessage"]["message"]
    assert "names a column of explanation.denied_columns" in message


def test_while_the_settings_cannot_be_read_an_event_waits_and_is_told_whole(settled, lines, tmp_path):
    sender = sender_of(settled)
    sender.step()
    register(settled, tmp_path / "made")
    right = settled.settings_file.read_text()
    settled.settings_file.write_text(right + "no: such\n")
    with pytest.raises(SettingsError):
        sender.step()
    settled.settings_file.write_text(right)
    sender.step()
    assert names(told(lines)[-1]["inputs"]) == [f"data/{SHA256}"]


def test_a_session_that_never_began_is_no_run(settled, lines):
    sender = sender_of(settled)
    sender.step()
    sessions = Sessions(settled)
    session = sessions.start(TrainingSettings(), name="first", actor=ANA)
    sessions.request(session.session_id, DesiredSession.STOPPED, actor=ANA)
    sessions.observe(session.session_id, "session.stopped", actor=Actor.engine(), phase=SessionPhase.STOPPED)
    sender.step()
    assert not lines.exists()


def test_an_agent_names_the_run_of_its_parent(settled, lines):
    sender = sender_of(settled)
    sender.step()
    sessions = Sessions(settled)
    agents = AgentsSettings(by="model")
    parent = sessions.start(TrainingSettings(agents=agents), name="desk", actor=ANA)
    for number, session_id in enumerate((parent.session_id, parent.children[0]), 1):
        begun = {"run_id": f"r-{number:04d}", "phase": SessionPhase.PREPARING}
        sessions.observe(session_id, "session.begin", actor=Actor.engine(), **begun)
    sender.step()
    of_parent, of_agent = told(lines)
    assert "parent" not in of_parent["run"]["facets"]
    named = of_agent["run"]["facets"]["parent"]
    assert named["run"]["runId"] == of_parent["run"]["runId"] != of_agent["run"]["runId"]
    assert named["job"]["name"] == of_parent["job"]["name"]


def test_what_happened_in_a_workspace_is_one_graph_from_the_data_to_what_is_live(tmp_path, lines):
    demo = with_file(
        make_demo(tmp_path / "ws", now=datetime(2026, 3, 1, 12, tzinfo=UTC), n_versions=3, with_telemetry=False), lines
    )
    cursors = demo.database(DATABASE).documents(CURSORS, WebhookCursor, key="webhook")
    cursors.insert(WebhookCursor(webhook="lineage", sequence=0))
    sender_of(demo).step()

    events = told(lines)
    assert {event["job"]["facets"]["jobType"]["jobType"] for event in events} >= {"PROMOTION", "ROLLOUT"}
    starts = [event["run"]["runId"] for event in events if event["eventType"] == "START"]
    assert len(starts) == len(set(starts))
    ended = [event for event in events if event["eventType"] in ("COMPLETE", "FAIL", "ABORT")]
    assert len({event["run"]["runId"] for event in ended}) == len(ended)
    assert {event["run"]["runId"] for event in ended} <= set(starts)
    live = {
        name: names(event["inputs"]) for event in events for name in names(event["outputs"]) if "@production" in name
    }
    registry = Registry(demo)
    for name, sources in live.items():
        model = name.partition("@")[0]
        assert sources == [f"{model}/{registry.production(model).version}"]
    assert live


def test_a_line_that_was_torn_is_written_again_and_no_line_twice(lines):
    assert append_event(lines, '{"n": 1}').is_delivered
    assert append_event(lines, '{"n": 1}').is_delivered  # its note was lost
    with lines.open("a") as file:
        file.write('{"n": 2')
    assert append_event(lines, '{"n": 2}').is_delivered
    with lines.open("a") as file:
        file.write("foreign")
    assert append_event(lines, '{"n": 3}').is_delivered
    assert lines.read_text() == '{"n": 1}\n{"n": 2}\nforeign\n{"n": 3}\n'
    assert lines.stat().st_mode & 0o777 == 0o600


def test_a_line_is_not_taken_for_the_end_of_a_longer_one(lines):
    lines.write_text('x{"n": 1}\n')
    assert append_event(lines, '{"n": 1}').is_delivered
    assert lines.read_text() == 'x{"n": 1}\n{"n": 1}\n'


@pytest.mark.parametrize(
    ("make", "what"),
    [
        pytest.param(os.mkfifo, "a named pipe", id="a named pipe"),
        pytest.param(Path.mkdir, "a folder", id="a folder"),
        pytest.param(lambda path: path.symlink_to("/dev/zero"), "a device", id="a device, whose bytes never end"),
    ],
)
def test_nothing_but_a_plain_file_is_read_or_written(lines, make, what):
    make(lines)
    attempt = append_event(lines, "{}")
    assert (attempt.is_delivered, attempt.may_retry) == (False, True)
    assert attempt.problem == f"{lines}: it is {what}, not a plain file"


def test_two_engines_and_other_programs_lose_no_line_of_one_file(lines, monkeypatch):
    def written_by(name: str) -> None:
        for number in range(100):
            assert append_event(lines, json.dumps([name, number])).is_delivered

    threads = [threading.Thread(target=written_by, args=(name,)) for name in ("one", "two", "three")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [json.loads(line) for line in lines.read_text().splitlines()]
    assert sorted(found) == sorted([name, number] for name in ("one", "two", "three") for number in range(100))

    # A program that takes no lock, in the moment before the line is written.
    def write_after_another(descriptor: int, content: bytes) -> None:
        with lines.open("a") as file:
            file.write("foreign\n")
        files.write_durably(descriptor, content)

    monkeypatch.setattr(line_file, "write_durably", write_after_another)
    assert append_event(lines, '{"n": 1}').is_delivered
    assert lines.read_text().splitlines()[-2:] == ["foreign", '{"n": 1}']


def test_an_event_waits_while_another_process_writes_to_the_file(lines, monkeypatch):
    monkeypatch.setattr(line_file, "_LOCK_SECONDS", 0.0)
    with lines.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        attempt = append_event(lines, "{}")
    assert (attempt.is_delivered, attempt.may_retry) == (False, True)
    assert "another process is writing to it" in attempt.problem
    assert append_event(lines, "{}").is_delivered


@pytest.mark.crash
def test_an_engine_that_is_killed_anywhere_writes_each_line_once(settled, lines, tmp_path):
    sender_of(settled).step()
    register(settled, tmp_path / "made")
    n = 1
    while dies(n, lambda: sender_of(Workspace.open(settled.root)).step()):
        n += 1
    assert n > 3, "the work changed nothing on the disk"
    assert states(told(lines)) == [("register.pricing", "START"), ("register.pricing", "COMPLETE")]


def test_a_file_in_a_workspace_is_refused_and_the_event_given_up_with_the_reason(workspace, tmp_path):
    inside = workspace.root / "state" / "registry.json"
    sender = sender_of(with_file(workspace, inside))
    sender.step()
    register(workspace, tmp_path / "made")
    before = inside.read_bytes()
    sender.step()
    assert inside.read_bytes() == before
    assert "holds its state" in Webhooks(workspace).deliveries(state=DeliveryState.FAILED)[0].problem


def test_a_server_gets_the_events_with_the_token_and_the_test_says_so(workspace, tmp_path, monkeypatch, called):
    monkeypatch.setitem(request.send.__kwdefaults__, "seconds", PATIENCE_SECONDS)
    monkeypatch.setenv("LINEAGE_KEY", "a-key-that-no-list-shows")
    with collecting() as (url, requests):
        workspace.settings_file.write_text(
            f"webhooks:\n- {{name: marquez, format: openlineage, url: '{url}', secret_env: LINEAGE_KEY, "
            "namespace: desk, events: [registration]}\n"
        )
        assert called(main, "--workspace", workspace.root, "webhooks", "test", "marquez")[:2] == (
            0,
            "marquez took registration: HTTP 201\n",
        )
        sender = sender_of(workspace)
        sender.step()
        version = register(workspace, tmp_path / "made")
        Registry(workspace).apply(
            Registry(workspace).plan_promotion("pricing", version.version), actor=ANA, reason="not told"
        )
        sender.step()
    for key, event in requests:
        assert key == "Bearer a-key-that-no-list-shows"
        require_valid(event)
        assert event["job"]["namespace"] == "desk"
    assert [event["job"]["name"] for _, event in requests] == ["webhook-test", "register.pricing", "register.pricing"]
    listed = called(main, "--workspace", workspace.root, "webhooks", "list", "--json")[1]
    assert json.loads(listed)[0]["format"] == "openlineage"
    assert "a-key" not in listed


@pytest.mark.parametrize(
    "token", ["a-key\n", "a-key\r\nX-Other: 1", "a-key b", "a-k\N{LATIN SMALL LETTER E WITH ACUTE}y"]
)
def test_a_token_that_no_header_field_can_hold_is_neither_sent_nor_shown(workspace, monkeypatch, called, token):
    monkeypatch.setenv("LINEAGE_KEY", token)
    workspace.settings_file.write_text(
        "webhooks:\n- {name: marquez, format: openlineage, url: 'http://127.0.0.1:9/', secret_env: LINEAGE_KEY}\n"
    )
    code, said, complaint = called(main, "--workspace", workspace.root, "webhooks", "test", "marquez")
    assert code == 2
    assert "The token of the webhook marquez has a character that no token has" in complaint
    assert token.split()[0] not in said + complaint


def test_events_that_wait_are_not_told_in_another_format_than_the_webhook_has_now(workspace, lines, tmp_path):
    closed = "url: 'http://127.0.0.1:9/'"
    workspace.settings_file.write_text(f"webhooks:\n- {{name: one, {closed}}}\n- {{name: other, {closed}}}\n")
    sender = sender_of(workspace)
    sender.step()
    register(workspace, tmp_path / "made")
    sender.step()
    assert len(Webhooks(workspace).deliveries("one", state=DeliveryState.PENDING)) == 2

    lineage = f"{{name: one, format: openlineage, file: '{lines}'}}"
    workspace.settings_file.write_text(f"webhooks:\n- {lineage}\n- {{name: other, {closed}}}\n")
    sender_of(workspace).step()
    given_up = Webhooks(workspace).deliveries("one")
    assert [each.state for each in given_up] == [DeliveryState.FAILED] * 2
    assert given_up[0].problem == "the webhook has another format since"
    assert not lines.exists()
    assert len(Webhooks(workspace).deliveries("other", state=DeliveryState.PENDING)) == 2
    register(workspace, tmp_path / "made")
    sender_of(workspace).step()
    assert states(told(lines)) == [("register.pricing", "START"), ("register.pricing", "COMPLETE")]


@contextmanager
def collecting() -> Iterator[tuple[str, list[tuple[str | None, dict[str, Any]]]]]:
    """A collector of events on loopback, which answers 201 as Marquez does."""
    requests: list[tuple[str | None, dict[str, Any]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["content-length"])))
            requests.append((self.headers["authorization"], event))
            self.send_response(201)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api/v1/lineage", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("{name: a, file: /tmp/x}", "file goes with format: openlineage"),
        ("{name: a, format: openlineage, file: /tmp/x, url: 'http://h'}", "without a url"),
        ("{name: a, format: openlineage, file: x.jsonl}", "whole path"),
        ("{name: a, format: openlineage, file: /tmp/x, secret_env: KEY}", "needs no secret"),
        ("{name: a, format: openlineage}", "whole URL"),
        ("{name: a, format: openlineage, url: 'http://h', events: [model_version.created]}", "choose of session"),
        ("{name: a, url: 'http://h', events: [session]}", "choose of registered_model.created"),
        ("{name: a, format: openlineage, url: 'http://h', namespace: 'a b'}", "printable ASCII"),
    ],
)
def test_settings_that_cannot_work_are_refused(workspace, block, said):
    workspace.settings_file.write_text(f"webhooks:\n- {block}\n")
    with pytest.raises(SettingsError, match=said):
        load_settings(workspace.settings_file)


def test_a_test_of_an_event_of_the_other_format_names_the_events(workspace, lines):
    with pytest.raises(UsageError, match="no event of openlineage: choose one of session, registration"):
        Webhooks(with_file(workspace, lines)).test("lineage", "model_version.created", actor=ANA)
