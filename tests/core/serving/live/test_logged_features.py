"""`serving.log_features`: a sample of answered rows is kept, without masked fields, by the ids of their requests."""

from datetime import UTC, datetime

import msgspec
import pytest

from core.serving.live import LiveCounter
from core.serving.scoring.warming import warm_scorer
from core.serving.stats import VersionStats
from core.settings.feature_log import FeatureLogSettings
from core.settings.serving import ServingSettings
from core.telemetry.features import logged_features
from tests.clocks import HandClock

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def answer(workspace, artifacts, rows_of):
    """Answer requests of one row, and a batch, with some settings; return what was kept, and the rows sent."""

    def answered(settings, n=200):
        live = LiveCounter(workspace, clock=HandClock(START), logs=settings)
        scorer = warm_scorer(artifacts / "spread")
        tap = live.tap("spread", "1.0.0", scorer, None, VersionStats())
        rows = rows_of("spread", n)
        cells = {name: [row[name] for row in rows] for name in rows[0]}
        batch = scorer.signature.convert_columns(cells)
        for number, row in enumerate(rows):
            one = scorer.signature.convert_columns({name: [value] for name, value in row.items()})
            tap.add(f"one-{number}", one, scorer.answer(one).tolist())
        tap.add("batch", batch, scorer.answer(batch).tolist())
        live.count()
        live.close()
        return logged_features(workspace.features_file, "spread"), rows

    return answered


def test_it_is_off_by_default(workspace, answer):
    assert ServingSettings().log_features.share == 0
    answer(None)
    assert not workspace.features_file.exists()


def test_every_row_is_kept_with_a_share_of_one(answer):
    found, rows = answer(FeatureLogSettings(share=1.0), n=20)
    assert found.requests == [f"one-{number}" for number in range(20)] + [
        "batch",
        *(f"batch/{number}" for number in range(1, 20)),
    ]
    for name, cells in found.columns.items():
        sent = [row[name] for row in rows]
        assert cells == [float(cell) if isinstance(cell, bool | int) else cell for cell in sent + sent]
    assert set(found.columns) == set(rows[0])
    assert all(isinstance(each, float) for each in found.predictions)


def test_a_share_is_kept_by_the_ids_of_the_requests(answer, workspace):
    found, _ = answer(FeatureLogSettings(share=0.2))
    assert 40 <= len(found) <= 120
    again, _ = answer(FeatureLogSettings(share=0.2))  # the same requests, once more
    assert sorted(again.requests) == sorted(found.requests * 2)


def test_masked_fields_are_never_kept(answer):
    found, rows = answer(FeatureLogSettings(share=1.0, mask=("rating*", "sector")), n=3)
    assert set(found.columns) == {name for name in rows[0] if not name.startswith("rating") and name != "sector"}


def test_it_needs_the_thread_that_counts():
    with pytest.raises(msgspec.ValidationError, match="needs live_counts"):
        msgspec.convert({"live_counts": False, "log_features": {"share": 0.5}}, ServingSettings)
