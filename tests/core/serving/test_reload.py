"""The server follows the registry while it answers: promotions, kills, damage, requests for unloaded versions."""

import socket
import sqlite3
import threading

import pytest

from core.registry import Registry
from core.serving.access import Role, Tokens
from core.settings.promotion import PromotionSettings
from core.telemetry.predictions import PredictionReader

LENIENT = PromotionSettings(min_accuracy=0.0)


class Load:
    """Clients that send requests without a pause, and keep the answers."""

    def __init__(self, server, row, *, n_clients=4):
        self.failures, self.versions = [], []
        self._stopping = threading.Event()
        self._server, self._row = server, row
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(n_clients)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number):
        own = type(self._server)(self._server.process, self._server.port)
        rows = [self._row] * (1 if number % 2 else 90)  # the short way, and the worker threads
        while not self._stopping.is_set():
            answer = own.ask("/api/v1/predict/spread", {"rows": rows})
            if answer.status != 200:
                self.failures.append((answer.status, answer.body))
            self.versions.append(answer.headers.get("x-bondx-version"))
        own.connection.close()


def test_promotion_and_rollback_under_load_lose_no_request(
    workspace, artifacts, running, put_live, register, rows_of, ana
):
    put_live(workspace, "spread", artifacts / "spread")
    registry = Registry(workspace, promotion=LENIENT)
    with running(workspace) as server, Load(server, rows_of("spread", 1)[0]) as load:
        server.until(lambda: len(load.versions) > 50, "traffic")
        for n_live in (1, 2, 3):
            version = register(workspace, "spread", artifacts / ("spread_other" if n_live % 2 else "spread"))
            for _ in range(2):
                registry.apply(registry.plan_promotion("spread", version.version), actor=ana)
            server.until(lambda wanted=version.version: load.versions[-1] == wanted, "the new version answering")
        registry.apply(registry.plan_rollback("spread"), actor=ana)
        server.until(lambda: load.versions[-1] == "1.2.0", "the version before answering again")
        server.until(lambda: len(load.versions) > 200, "two hundred answers")
    assert not load.failures
    assert set(load.versions) == {"1.0.0", "1.1.0", "1.2.0", "1.3.0"}


def test_a_promotion_over_http_is_served_by_the_server_that_took_it(
    workspace, artifacts, running, put_live, register, rows_of, ana
):
    put_live(workspace, "spread", artifacts / "spread")
    version = register(workspace, "spread", artifacts / "spread_other")
    _, secret = Tokens(workspace).create("deployer", Role.OPERATOR, actor=ana)
    with running(workspace) as server:
        server.token = secret
        for _ in range(2):
            wish = {"verb": "promote", "version": version.version}
            plan = server.ask("/api/v1/models/spread/plans", wish).json
            assert plan["allowed"], plan["refusal"]
            move = wish | {"expected_revision": plan["expected_revision"], "reason": "better on slice B"}
            assert server.ask("/api/v1/models/spread/moves", move).status == 200
        stale = server.ask("/api/v1/models/spread/moves", move)
        assert stale.status == 409
        assert "ana@127.0.0.1 via deployer" in stale.json["error"]
        row = {"row": rows_of("spread", 1)[0]}
        server.until(
            lambda: server.ask("/api/v1/predict/spread", row).json["version"] == version.version, "the new version"
        )
        history = server.ask("/api/v1/models/spread/history").json
        assert (history[0]["by"], history[0]["origin"], history[0]["reason"]) == (
            "ana@127.0.0.1 via deployer",
            "api",
            "better on slice B",
        )


@pytest.mark.journey
def test_a_killed_server_starts_again_where_it_was(workspace, artifacts, running, put_live, rows_of, ana):
    put_live(workspace, "spread", artifacts / "spread")
    _, secret = Tokens(workspace).create("client", Role.VIEWER, actor=ana)
    row = {"row": rows_of("spread", 1)[0]}
    with running(workspace) as server:
        before = server.ask("/api/v1/predict/spread", row).json["prediction"]
        port = server.port
        server.process.kill()
        server.process.wait()
    with running(workspace, port=port) as server:
        assert server.ask("/api/v1/predict/spread", row).json["prediction"] == before
        assert server.ask("/api/v1/status", headers={"authorization": f"Bearer {secret}"}).status == 200


def test_predictions_and_outcomes_are_recorded_before_the_server_ends(
    workspace, artifacts, running, put_live, rows_of, ana
):
    put_live(workspace, "spread", artifacts / "spread")
    _, secret = Tokens(workspace).create("client", Role.VIEWER, actor=ana)
    rows = rows_of("spread", 3)
    with running(workspace) as server:
        server.token = secret
        server.ask("/api/v1/predict/spread", {"rows": rows, "request_id": "batch"})
        server.ask("/api/v1/predict/spread", {"row": rows[0], "request_id": "single"})
        server.ask("/api/v1/predict/spread", {"rows": rows[:1], "request_id": "batch of one"})
        outcomes = [
            {"request_id": "single", "actual": 200.5},
            {"request_id": "batch", "row": 2, "loss": 0.25},
            {"request_id": "batch of one", "row": 0, "loss": 0.5},
            {"request_id": "batch", "row": 0, "loss": 0.75},
        ]
        told = server.ask("/api/v1/outcomes", {"outcomes": outcomes})
        assert told.json == {"n_accepted": 4, "n_matched": 4, "n_unmatched": 0, "n_repeated": 0}
        wrong = server.ask("/api/v1/outcomes", {"outcomes": [{"request_id": "single"}]})
        assert (wrong.status, wrong.json["field"]) == (400, "outcomes[0]")
    reader = PredictionReader(workspace.predictions_file)
    assert all(reader.holds(request) for request in ("single", "batch", "batch/1", "batch/2"))
    with sqlite3.connect(workspace.predictions_file) as store:
        assert store.execute("SELECT actual, loss FROM outcome ORDER BY seq").fetchall() == [
            (200.5, None),
            (None, 0.25),
            (None, 0.5),
            (None, 0.75),
        ]
        about = "SELECT count(*) FROM outcome JOIN prediction_1 ON prediction_1.request = outcome.request"
        assert store.execute(about).fetchone() == (4,), "every one is about a prediction"


def test_a_damaged_version_is_never_loaded_and_the_earlier_version_continues(
    workspace, artifacts, running, put_live, register, rows_of, ana
):
    put_live(workspace, "spread", artifacts / "spread")
    registry = Registry(workspace, promotion=LENIENT)
    other = register(workspace, "spread", artifacts / "spread_other")
    registry.apply(registry.plan_promotion("spread", other.version), actor=ana)
    victim = workspace.artifacts_dir / "spread" / other.version / "arrays.npz"
    victim.chmod(0o644)
    victim.write_bytes(b"not what was registered")
    row = {"row": rows_of("spread", 1)[0]}
    with running(workspace) as server:
        assert server.ask("/api/v1/predict/spread", row).json["version"] == "1.0.0"
        named = server.ask(f"/api/v1/predict/spread/versions/{other.version}", row)
        assert named.status == 503
        assert "differ from the registered files" in named.json["error"]
        states = {
            entry["version"]: entry["state"] for entry in server.ask("/v1/models/spread").json["model_version_status"]
        }
        assert states == {"1.0.0": "AVAILABLE", other.version: "END"}
        assert 'bondx_version_load_failed{model="spread",version="1.1.0"} 1.0' in server.ask("/metrics").body.decode()


def test_an_unloaded_version_is_loaded_on_request(workspace, artifacts, running, put_live, register, rows_of, ana):
    put_live(workspace, "spread", artifacts / "spread")
    first = register(workspace, "spread", artifacts / "spread_other")
    register(workspace, "spread", artifacts / "spread")  # now the newest in Development, which a label points to
    with running(workspace) as server:
        assert first.version not in server.ask("/v2/models/spread").json["versions"]
        _, server.token = Tokens(workspace).create("caller", Role.VIEWER, actor=ana)
        answer = server.ask(f"/v1/models/spread/versions/{first.version}:predict", {"instances": rows_of("spread", 1)})
        assert answer.status == 200
        assert first.version in server.ask("/v2/models/spread").json["versions"]


def test_a_server_with_nothing_to_serve_is_not_ready_and_says_why(workspace, artifacts, running, register, put_live):
    def ready():
        answer = server.ask("/ready")
        assert server.ask("/v2/health/ready").status == answer.status
        gauge = "bondx_ready 1.0" if answer.status == 200 else "bondx_ready 0.0"
        assert gauge in server.ask("/metrics").body.decode()
        return answer.status, answer.json["reasons"]

    with running(workspace) as server:
        assert ready() == (503, ["no model is registered in this workspace"])
        assert server.ask("/health").status == 200
        register(workspace, "spread", artifacts / "spread")
        server.until(lambda: server.ask("/v2/models/spread").status == 503, "the model being seen")
        assert ready() == (503, ["no version of any model is in Production"])
        put_live(workspace, "spread", artifacts / "spread")
        server.until(lambda: server.ask("/v2/models/spread").status == 200, "the live version being loaded")
        assert ready() == (200, [])


def test_a_model_without_a_live_version_says_so(workspace, artifacts, running, register):
    with running(workspace) as server:
        assert server.ask("/v1/models/spread:predict", {"instances": []}).status == 404
        register(workspace, "spread", artifacts / "spread")
        server.until(lambda: server.ask("/v1/models/spread").status == 503, "the model being seen")
        answer = server.ask("/v1/models/spread:predict", {"instances": []})
        assert answer.status == 503
        assert "No version of spread is in Production" in answer.json["error"]


def test_predictions_that_cannot_be_recorded_are_answered_and_counted(workspace, artifacts, running, put_live, rows_of):
    put_live(workspace, "spread", artifacts / "spread")
    file = workspace.predictions_file
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"this is no database, but long enough to be taken for one" * 100)
    with running(workspace) as server:
        for _ in range(3):
            answer = server.ask("/v1/models/spread:predict", {"instances": rows_of("spread", 1)})
            assert answer.status == 200
        metrics = server.ask("/metrics").body.decode()
    assert "bondx_telemetry_up 0.0" in metrics
    assert "bondx_telemetry_dropped_total 3.0" in metrics


def test_a_server_answers_while_a_slow_client_keeps_its_connection(server, rows_of):
    with socket.create_connection(("127.0.0.1", server.port)) as slow:
        slow.sendall(b"POST /v1/models/spread:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{")
        assert server.ask("/v1/models/spread:predict", {"instances": rows_of("spread", 1)}).status == 200
