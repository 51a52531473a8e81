"""Predictions carry the slices of their version, in a rollout and outside: packed into one number."""

import http.client
import json
import shutil
import sqlite3

import numpy as np
import pytest

from core.api import CanaryDeploymentManager, MLOpsConfig
from core.clock import utc_now
from core.monitoring.data_profile import PROFILE_NAME, ColumnProfile, DataProfile, SliceProfile
from core.monitoring.performance.recorded_slices import (
    HAS_LEVELS,
    ROLLOUT_BITS,
    code_of_row,
    level_numbers,
    recorded_columns,
)
from core.registry import Registry
from core.rollout import Rollouts, RolloutWorker, Strategy
from core.rollout.slices import _BITS as ROLLOUT_COLUMN_BITS
from core.rollout.slices import code_of
from core.settings.policy import MAX_SLICES, CanaryPolicy
from core.settings.promotion import PromotionSettings
from core.tables.signature import ColumnKind
from tests.core.serving.in_process import serving


@pytest.fixture
def profiled(artifacts, tmp_path, bonds):
    """A spread model whose profile has slices by seniority."""
    folder = tmp_path / "profiled"
    shutil.copytree(artifacts / "spread", folder)
    rows = bonds["seniority"].astype(str).value_counts().sort_index()
    seniority = ColumnProfile(
        name="seniority",
        kind=ColumnKind.CATEGORY,
        rows=int(rows.sum()),
        levels={str(level): int(n) for level, n in rows.items()},
        n_levels=len(rows),
    )
    slices = {f"seniority={level}": SliceProfile(rows=int(n)) for level, n in rows.items()}
    profile = DataProfile(
        format=1, rows=int(rows.sum()), features=(seniority,), held_out=int(rows.sum()), slices=slices
    )
    (folder / PROFILE_NAME).write_bytes(profile.to_bytes())
    return folder, recorded_columns(profile)


def stored_slices(workspace):
    with sqlite3.connect(workspace.predictions_file) as connection:
        return [code for (code,) in connection.execute("SELECT slices FROM prediction_1 ORDER BY seq")]


def test_every_prediction_carries_the_levels_of_its_version(workspace, put_live, profiled, rows_of):
    folder, columns = profiled
    put_live(workspace, "spread", folder)
    rows = rows_of("spread", 20)
    with serving(workspace) as (_, ask, _until):
        assert {ask(row)[0] for row in rows} == {200}
    codes = stored_slices(workspace)
    assert codes == [code_of_row(columns, row) for row in rows]
    assert len(set(codes)) > 1
    assert all(code & HAS_LEVELS for code in codes)


def test_a_version_without_a_profile_records_no_slices(workspace, put_live, artifacts, rows_of):
    put_live(workspace, "spread", artifacts / "spread")
    with serving(workspace) as (_, ask, _until):
        assert ask(rows_of("spread", 1)[0])[0] == 200
    assert stored_slices(workspace) == [None]


def test_a_rollout_adds_its_own_slices_below_those_of_the_version(
    workspace, profiled, put_live, register, rows_of, artifacts, tmp_path, ana
):
    folder, columns = profiled
    other = tmp_path / "other"
    shutil.copytree(artifacts / "spread_other", other)
    shutil.copy(folder / PROFILE_NAME, other)
    put_live(workspace, "spread", folder)
    registry = Registry(workspace, promotion=PromotionSettings(min_accuracy=0.0))
    candidate = register(workspace, "spread", other)
    registry.apply(registry.plan_promotion("spread", candidate.version), actor=ana)
    rollouts, policy = Rollouts(workspace), CanaryPolicy(slices=("seniority",))
    rollout = rollouts.start(rollouts.plan("spread", "1.1.0", Strategy.AB, policy, share=0.5), actor=ana)
    RolloutWorker(workspace).tick(utc_now())
    rows = rows_of("spread", 20)
    with serving(workspace) as (_, ask, _until):
        assert {ask(row)[0] for row in rows} == {200}
    assert stored_slices(workspace) == [code_of(rollout.plan.slices, row) | code_of_row(columns, row) for row in rows]


def test_the_slices_of_a_rollout_fit_below_the_bit_of_the_version():
    assert MAX_SLICES * ROLLOUT_COLUMN_BITS <= ROLLOUT_BITS


def test_programs_that_predict_by_themselves_record_slices_from_the_row(workspace, put_live, profiled, rows_of):
    folder, columns = profiled
    put_live(workspace, "spread", folder)
    (row,) = rows_of("spread", 1)
    with CanaryDeploymentManager(MLOpsConfig.from_yaml(workspace=workspace.root)) as canaries:
        route = canaries.route_prediction("spread", "desk")
        canaries.record_prediction("spread", route, "r1", latency_ms=1.0, value=100.0, row=row)
        canaries.record_prediction("spread", route, "r2", latency_ms=1.0, value=100.0)
    assert stored_slices(workspace) == [code_of_row(columns, row), None]


def test_the_rows_of_one_request_are_one_unit_outside_rollouts(workspace, put_live, artifacts, rows_of):
    put_live(workspace, "spread", artifacts / "spread")
    with serving(workspace) as (server, ask, _until):
        assert ask(rows_of("spread", 1)[0])[0] == 200
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
        batch = json.dumps({"rows": rows_of("spread", 3)})
        connection.request("POST", "/api/v1/predict/spread", batch, {"content-type": "application/json"})
        assert connection.getresponse().status == 200
        connection.close()
    with sqlite3.connect(workspace.predictions_file) as connection:
        units = [unit for (unit,) in connection.execute("SELECT unit FROM prediction_1 ORDER BY seq")]
    assert units[0] is None
    assert len(set(units[1:])) == 1
    assert units[1] is not None


def test_levels_are_unpacked_as_they_were_packed(profiled):
    _, columns = profiled
    level = columns[0].levels[2]
    codes = np.array([code_of_row(columns, {"seniority": cell}) for cell in (None, level, "Mars", ["a", "list"])] + [0])
    ((numbers, known),) = level_numbers(columns, codes)
    assert [columns[0].names[number] for number in numbers[:4]] == [
        "seniority=(empty)", f"seniority={level}", "seniority=(other)", "seniority=(other)",
    ]  # fmt: skip
    assert known.tolist() == [True, True, True, True, False]


def sliced_profile(*n_levels: int) -> DataProfile:
    """Profile categories with so many levels."""
    features = [
        ColumnProfile(
            name=f"c{k}",
            kind=ColumnKind.CATEGORY,
            rows=n,
            n_levels=n,
            levels={f"l{at:02}": 1 for at in range(n)},
        )
        for k, n in enumerate(n_levels)
    ]
    slices = {f"{each.name}=l00": SliceProfile(rows=1) for each in features}
    return DataProfile(format=1, rows=1, features=tuple(features), held_out=1, slices=slices)


def test_the_sector_of_a_bond_with_its_18_levels_is_a_slice_and_unpacks_as_packed():
    columns = recorded_columns(sliced_profile(18, 3, 32))
    assert [each.column for each in columns] == ["c1", "c0", "c2"]  # few levels lie as in earlier releases
    rows = [{each.column: level for each in columns} for level in (None, "l00", "l17", "Mars")]
    codes = np.array([code_of_row(columns, row) for row in rows])
    found = {
        each.column: list(numbers) for each, (numbers, _) in zip(columns, level_numbers(columns, codes), strict=True)
    }
    assert found == {"c1": [0, 1, 4, 4], "c0": [0, 1, 18, 19], "c2": [0, 1, 18, 33]}


def test_slices_never_take_more_bits_than_a_whole_number_has():
    for many in range(12):
        for few in range(12):
            columns = recorded_columns(sliced_profile(*[32] * many, *[14] * few))
            row = {each.column: "Mars" for each in columns}
            assert code_of_row(columns, row) < 1 << 63
    assert len(recorded_columns(sliced_profile(*[32] * 12))) == 7
