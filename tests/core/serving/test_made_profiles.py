"""A profile that is made while a server runs: taken up without a restart, over HTTP and by every reader."""

import hashlib
import json
import sqlite3
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from console.cli.main import main
from console.mlops.cli import main as mlops
from core.api import CanaryDeploymentManager, MLOpsConfig
from core.monitoring.live import profile_number
from core.monitoring.performance.recorded_slices import HAS_LEVELS, code_of_row, recorded_columns
from core.registry import Registry
from core.registry.made_profiles import OWN_NAME
from core.serving.access import Role, Tokens
from core.state import Workspace
from core.telemetry.live import LiveReader
from core.training.own_data.learned_rows import UNKNOWN
from core.training.own_data.profile import make_profile
from core.training.version_profile import profile_of_version
from tests.core.serving.in_process import serving

EVER = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


@pytest.fixture
def file(bonds, tmp_path):
    """Return bonds in a file."""
    path = tmp_path / "bonds.parquet"
    bonds.to_parquet(path)
    return path


def stored_slices(workspace):
    with sqlite3.connect(workspace.predictions_file) as connection:
        return [code for (code,) in connection.execute("SELECT slices FROM prediction_1 ORDER BY seq")]


def counted(workspace):
    """Return the rows that were counted, by profile."""
    reader, found = LiveReader(workspace.live_file), {}
    for minute in reader.between("spread", "1.0.0", *EVER):
        found[minute.profile] = found.get(minute.profile, 0) + minute.n
    reader.close()
    return found


def test_a_running_server_counts_and_records_by_a_profile_as_soon_as_it_is_made(
    workspace, put_live, artifacts, rows_of, file, ana
):
    put_live(workspace, "spread", artifacts / "spread")
    rows = rows_of("spread", 20)
    with serving(workspace) as (server, ask, until):
        loaded = server.table.models["spread"].default
        assert (loaded.profile, ask(rows[0])[0]) == (None, 200)
        make_profile(workspace, "spread", file, actor=ana, held_out=True)
        until(lambda: server.table.models["spread"].default.profile is not None, "the profile being taken up")
        first = server.table.models["spread"].default
        assert (first.scorer is loaded.scorer, first.loaded_at) == (True, loaded.loaded_at)
        assert {ask(row)[0] for row in rows} == {200}
        shown = make_profile(workspace, "spread", file, actor=ana, reason="without errors")
        until(
            lambda: server.table.models["spread"].default.made_profile == shown.sha256, "the replacement being taken up"
        )
        second = server.table.models["spread"].default
        assert ask(rows[0])[0] == 200
    columns = recorded_columns(first.profile)
    codes = stored_slices(workspace)
    assert codes[0] is codes[-1] is None, "without held-out rows there are no slices"
    assert codes[1:-1] == [code_of_row(columns, row) for row in rows]
    assert all(code & HAS_LEVELS for code in codes[1:-1])
    assert counted(workspace) == {"": 1, profile_number(first.profile): 20, profile_number(second.profile): 1}


def test_a_damaged_profile_stops_no_server_and_its_repair_is_taken_up(
    workspace, put_live, artifacts, rows_of, file, ana, monkeypatch
):
    monkeypatch.setattr("core.serving.loading.RETRY_SECONDS", 0.0)
    put_live(workspace, "spread", artifacts / "spread")
    path = workspace.root / make_profile(workspace, "spread", file, actor=ana).file
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with serving(workspace) as (server, ask, until):
        assert server.table.models["spread"].default.profile is None
        assert ask(rows_of("spread", 1)[0])[0] == 200
        path.write_bytes(content)
        until(lambda: server.table.models["spread"].default.profile is not None, "the repair being taken up")


def test_a_program_that_routes_by_itself_records_the_slices_of_a_profile_made_meanwhile(
    workspace, put_live, artifacts, rows_of, file, ana
):
    put_live(workspace, "spread", artifacts / "spread")
    row = rows_of("spread", 1)[0]
    with CanaryDeploymentManager(MLOpsConfig.from_yaml(workspace=workspace.root)) as manager:
        for name in ("before", "after"):
            route = manager.route_prediction("spread", name)
            manager.record_prediction("spread", route, name, latency_ms=1.0, value=1.0, row=row)
            if name == "before":
                make_profile(workspace, "spread", file, actor=ana, held_out=True)
    columns = recorded_columns(profile_of_version(Registry(workspace), "spread", "1.0.0"))
    assert stored_slices(workspace) == [None, code_of_row(columns, row)]


def prices(seed, n=400):
    rng = np.random.default_rng(seed)
    size, grade = rng.normal(size=n), rng.choice(["A", "B"], n)
    return pd.DataFrame({"size": size, "grade": grade, "price": 3 * size + (grade == "A") + rng.normal(0, 0.5, n)})


@pytest.fixture(scope="module")
def home(tmp_path_factory, ana):
    """A workspace with a model that was trained, and the same from before."""
    folder = tmp_path_factory.mktemp("made")
    prices(1, 600).to_csv(folder / "prices.csv", index=False)
    home = ["--workspace", str(folder / "ws")]
    assert main(["init", *home]) == 0
    assert mlops(["train", *home, "--model", "pricing", "--data", str(folder / "prices.csv"), "--target", "price"]) == 0
    workspace = Workspace.open(folder / "ws")
    with Registry(workspace).opened("pricing", "1.0.0") as artifact:
        for name in ("MANIFEST.json", "registration.json", OWN_NAME):
            (artifact / name).unlink()
        Registry(workspace).register("older", artifact, metrics={}, lineage={}, gates=(), actor=ana)
    return workspace


@pytest.mark.journey
def test_profiles_over_http_are_those_of_the_command(home, running, ana):
    operator, viewer = (Tokens(home).create(role.value, role, actor=ana)[1] for role in (Role.OPERATOR, Role.VIEWER))
    rows = [*prices(2).to_dict("records")[1:], {"size": 0.25, "grade": "Ä", "price": 1.0}]
    with running(home) as server:
        server.token = operator
        own = server.ask("/api/v1/models/pricing/profile?version=1.0.0")
        none = server.ask("/api/v1/models/older/profile")
        few = server.ask("/api/v1/models/older/profile", {"rows": rows[:3]})
        foreign = server.ask("/api/v1/models/older/profile", {"rows": [{"weight": 1.0}] * 60})
        nested = server.ask("/api/v1/models/older/profile", {"rows": [*rows, {**rows[0], "size": [1.5]}]})
        n_digits = server.ask("/api/v1/models/older/profile", {"rows": [*rows, {**rows[0], "size": 10**400}]})
        too_great = server.ask("/api/v1/models/older/profile", b'{"rows": [{"size": 1.5}, {"size": 1e400}]}')
        mixed = server.ask("/api/v1/models/older/profile", {"rows": [*rows, {**rows[0], "size": "n/k"}]})
        unwatched = server.ask("/api/v1/models/older/drift", {"rows": rows})
        words = server.ask("/api/v1/models/older/profile", {"rows": [{**row, "size": "n/k"} for row in rows]})
        learned = server.ask(
            "/api/v1/models/older/profile", {"rows": prices(1, 600).to_dict("records"), "held_out": True}
        )
        made = server.ask("/api/v1/models/older/profile", {"rows": rows, "held_out": True, "reason": "of March"})
        again = server.ask("/api/v1/models/older/profile", {"rows": rows})
        never = server.ask("/api/v1/models/pricing/profile", {"rows": rows, "reason": "better"})
        found = server.ask("/api/v1/models/older/profile")
        unserved = server.ask("/api/v1/models/older/drift", {})
        (home.root / made.json["file"]).rename(home.root / "moved")
        missing = server.ask("/api/v1/models/older/profile")
        (home.root / "moved").rename(home.root / made.json["file"])
        unknown = server.ask("/api/v1/models/curve/profile")
        server.token = viewer
        assert server.ask("/api/v1/models/older/profile").status == 403
        assert server.ask("/api/v1/models/older/profile", {"rows": rows, "reason": "mine"}).status == 403
    assert (own.status, own.json["made"], own.json["rows"]) == (200, None, 600)
    assert (learned.status, "are those of the rows that older/1.0.0 learned from" in str(learned.json)) == (400, True)
    cure = "Make one of that data: POST /api/v1/models/older/profile with its rows."
    assert (none.status, "it has no profile" in none.json["error"], cure in none.json["error"]) == (404, True, True)
    for refused, problem in (
        (nested, "rows, line 401, column 'size': '[1.5]' is a list, while 400 of 401 values are plain. Write"),
        (n_digits, "is out of the range of numbers, 1.8e+308 at most. Correct"),
        (too_great, "A number in entry 1, counted from 0, is out of range"),
        (few, "it has 3 rows"),
        (foreign, "rows: no column holds plain values"),
        (mixed, "n/k"),
    ):
        assert (refused.status, problem in str(refused.json)) == (400, True), refused.json
    assert (made.status, made.json["held_out"], made.json["made"]["reason"]) == (201, 400, "of March")
    assert (again.status, again.json["field"]) == (400, "reason")
    assert again.json["error"].startswith("The field reason is needed: older 1.0.0 has a profile that ")
    assert (never.status, "never replaced" in str(never.json)) == (422, True)
    assert "GET /api/v1/models/pricing/profile shows it." in never.json["error"]
    assert (found.status, found.json) == (200, made.json)
    assert (unwatched.status, cure in unwatched.json["error"]) == (400, True)
    assert (unserved.status, "a longer time with since_hours, or give rows" in unserved.json["error"]) == (400, True)
    assert (missing.status, "POST /api/v1/models/older/profile with its rows and a reason" in str(missing.json)) == (
        503,
        True,
    )
    assert words.status == 400
    assert "Correct the value, or give null for an empty cell." in words.json["error"]
    for refused in (none, learned, few, foreign, nested, mixed, again, never, unwatched, unserved, missing, words):
        assert "--" not in refused.json["error"]
        assert "bondx " not in refused.json["error"]
    canonical = "".join(
        json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
        for row in json.loads(json.dumps(rows))
    )
    assert made.json["made"]["data_sha256"] == hashlib.sha256(canonical.encode()).hexdigest()
    (note,) = [note for note in found.json["notes"] if "in no category of the training data" in note]
    assert note == "1 value of grade in no category of the training data"
    assert (made.json["made"]["is_unchecked"], found.json["notes"][0]) == (True, UNKNOWN)
    assert unknown.status == 404
