"""Two data frames compared under a model's policy."""

import numpy as np
import pandas as pd
import pytest

from bondx.mlops import DriftMonitor, MLOpsConfig
from core.errors import CoreError, UsageError

N_ROWS = 3_000


def frame(seed: int, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "price": rng.normal(100 + 15 * shift, 15, N_ROWS),
            "volume": rng.lognormal(3, 1, N_ROWS),
            "desk": rng.choice(["rates", "credit"], N_ROWS),
            "loss": rng.normal(shift, 1, N_ROWS),
        }
    )


@pytest.fixture
def monitor(config: MLOpsConfig) -> DriftMonitor:
    return DriftMonitor(config)


def test_data_without_drift_does_not_require_retraining(monitor):
    report = monitor.detect_drift(
        model_name="risk",
        model_version="1.0.0",
        baseline_data=frame(1),
        current_data=frame(2),
        feature_columns=["price", "volume", "desk"],
        target_column="loss",
    )

    assert not report.requires_retraining
    assert report.drifted_features == ()
    assert report.overall_drift_score < 0.02


def test_a_drifted_feature_is_named_and_requires_retraining(monitor):
    report = monitor.detect_drift("risk", "1.0.0", frame(1), frame(2, shift=1.0), ["price", "volume"])

    assert report.requires_retraining
    assert report.drifted_features == ("price",)
    assert report.overall_drift_score > 0.5
    assert report.summary == "risk 1.0.0: price drifted; retraining is due."


def test_the_target_has_its_own_limit(monitor, config):
    (config.workspace.root / "policy.yaml").write_text("drift: {feature: 50.0, target: 0.1}\n")

    report = monitor.detect_drift("risk", "1.0.0", frame(1), frame(2, shift=1.0), ["price"], target_column="loss")

    assert report.drifted_features[0] == "loss"
    assert report.requires_retraining


def test_a_missing_column_requires_retraining(monitor):
    report = monitor.detect_drift("risk", "1.0.0", frame(1), frame(2).drop(columns="volume"), ["price", "volume"])

    assert report.requires_retraining


def test_columns_by_name_and_files_are_read_like_frames(monitor, tmp_path):
    frame(1).to_csv(tmp_path / "usual.csv", index=False)
    current = {name: column.tolist() for name, column in frame(2, shift=1.0).items()}

    report = monitor.detect_drift("risk", "1.0.0", tmp_path / "usual.csv", current, ["price"])

    assert report.drifted_features == ("price",)


def test_an_unknown_column_is_refused_with_the_known_columns(monitor):
    with pytest.raises(
        UsageError, match=r"baseline_data has no column 'prise'. Its columns: price, volume, desk, loss"
    ):
        monitor.detect_drift("risk", "1.0.0", frame(1), frame(2), ["prise"])


def test_a_comparison_without_columns_is_refused(monitor):
    with pytest.raises(UsageError, match="no column to compare"):
        monitor.detect_drift("risk", "1.0.0", frame(1), frame(2), [])


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(7, id="a number"),
        pytest.param(None, id="nothing"),
        pytest.param({"a": [1, 2], "b": [1]}, id="columns of two lengths"),
        pytest.param({"a": [object()] * 3}, id="objects"),
    ],
)
def test_an_argument_that_is_not_a_table_is_refused_by_name(monitor, bad):
    with pytest.raises(CoreError, match="current_data"):
        monitor.detect_drift("risk", "1.0.0", frame(1), bad, ["price"])


def test_a_column_that_is_missing_is_named_in_the_summary(monitor):
    report = monitor.detect_drift("risk", "1.0.0", frame(1), frame(2).drop(columns="volume"), ["price", "volume"])

    assert report.missing_columns == ("volume",)
    assert report.summary == (
        "risk 1.0.0: no column drifted; volume cannot be compared, missing from the current data; retraining is due."
    )


def test_a_text_in_place_of_column_names_is_refused(monitor):
    with pytest.raises(UsageError, match="feature_columns is 'price'; it must be a list"):
        monitor.detect_drift("risk", "1.0.0", frame(1), frame(2), "price")


def test_a_column_that_is_named_twice_is_refused(monitor):
    with pytest.raises(UsageError, match="'price' is named twice"):
        monitor.detect_drift("risk", "1.0.0", frame(1), frame(2), ["price", "price"])


def test_a_column_that_no_file_can_hold_is_refused(monitor):
    with pytest.raises(UsageError, match="current_data cannot be read as a table of plain values"):
        monitor.detect_drift("risk", "1.0.0", frame(1), frame(2).assign(price=1j), ["price"])


def test_messages_name_the_argument_and_no_file_of_ours(monitor):
    with pytest.raises(UsageError) as refused:
        monitor.detect_drift("risk", "1.0.0", frame(1), frame(2).head(0), ["price"])
    assert str(refused.value).startswith("current_data")


def test_a_column_that_stands_twice_in_a_frame_is_refused(monitor):
    twice = pd.concat([frame(2), frame(2)[["price"]]], axis=1)

    with pytest.raises(UsageError, match="current_data has two columns named 'price'; rename one of them"):
        monitor.detect_drift("risk", "1.0.0", frame(1), twice, ["volume"])


def test_no_rows_are_refused_without_a_word_of_training(monitor):
    with pytest.raises(UsageError, match=r"it has columns, but no rows\. Add rows\.$"):
        monitor.detect_drift("risk", "1.0.0", frame(1), frame(2).head(0), ["price"])


def test_the_only_column_that_disappears_is_its_alarm(monitor):
    report = monitor.detect_drift("risk", "1.0.0", frame(1)[["price"]], frame(2)[["volume"]])

    assert (report.requires_retraining, report.missing_columns) == (True, ("price",))


def test_one_infinite_cell_where_the_reference_has_none_is_an_alarm(monitor):
    current = frame(2)
    current.loc[7, "price"] = np.inf

    (found,) = monitor.detect_drift("risk", "1.0.0", frame(1), current, ["price"]).reports[0].features

    assert (found.verdict, found.reason) == ("alarm", "unreadable: 0.03% of the cells hold no number, 1 infinite")


def of_desks(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    desk = np.repeat([f"d{k}" for k in range(60)], 10)
    return pd.DataFrame({"desk": desk, "price": np.repeat(rng.normal(size=60), 10) + rng.normal(0, 0.3, 600)})


def test_rows_that_belong_together_are_noted_and_compared_by_their_group(monitor):
    plain = monitor.detect_drift("risk", "1.0.0", of_desks(1), of_desks(2), ["price"])
    grouped = monitor.detect_drift("risk", "1.0.0", of_desks(1), of_desks(2), group="desk")
    blocked = monitor.detect_drift("risk", "1.0.0", of_desks(1), of_desks(2), ["price"], block=10)

    (note,) = plain.notes
    assert "rows that follow each other are alike in 'price'" in note
    assert "the verdict assumes independent rows" in note
    assert plain.reports[0].features[0].design_effect is None
    for report in (grouped, blocked):
        (found,) = report.reports[0].features
        assert (found.feature, report.notes) == ("price", ())
        assert 5 < found.design_effect < 20


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"group": "issuer"}, "baseline has no column 'issuer' to group by. Its columns:", id="no column"),
        pytest.param({"block": 1}, "A block is 1 rows; it must be 2 at least", id="a block of one row"),
        pytest.param({"group": "desk", "block": 5}, "Give a group or a block, not both", id="both"),
    ],
)
def test_a_group_or_a_block_that_cannot_be_used_is_refused(monitor, options, words):
    with pytest.raises(UsageError, match=words):
        monitor.detect_drift("risk", "1.0.0", frame(1), frame(2), ["price"], **options)


def test_few_groups_are_inconclusive(monitor):
    few = of_desks(1).head(40)

    (found,) = monitor.detect_drift("risk", "1.0.0", few, few, group="desk").reports[0].features

    assert found.verdict == "inconclusive"
    assert "fewer than 5 groups" in found.reason


@pytest.mark.parametrize(
    ("price", "share"),
    [
        pytest.param(["high"] * N_ROWS, 1.0, id="all text"),
        pytest.param([np.inf] * 600 + [100.0] * (N_ROWS - 600), 0.2, id="infinite cells"),
        pytest.param(["high"] * 600 + [100.0] * (N_ROWS - 600), 0.2, id="text among numbers"),
        pytest.param([pd.Timestamp("2026-01-01")] * N_ROWS, 1.0, id="dates"),
        pytest.param([[1.0]] * N_ROWS, 1.0, id="lists"),
    ],
)
def test_a_column_that_cannot_be_read_is_its_own_alarm(monitor, price, share):
    report = monitor.detect_drift("risk", "1.0.0", frame(1), frame(2).assign(price=price), ["price", "volume"])

    found = {feature.feature: feature for feature in report.reports[0].features}
    assert report.requires_retraining
    assert (found["price"].verdict, found["volume"].verdict) == ("alarm", "stable")
    assert found["price"].unreadable_share_current == pytest.approx(share)
    assert found["price"].reason.startswith("unreadable")


def test_features_target_and_residuals_share_one_level(monitor):
    tables = (frame(seed).assign(residual=frame(seed + 10)["loss"]) for seed in (1, 2))

    report = monitor.detect_drift("risk", "1.0.0", *tables, target_column="loss", residual_column="residual")

    assert [[found.feature for found in part.features] for part in report.reports][1:] == [["loss"], ["residual"]]
    assert sum(part.level for part in report.reports) == pytest.approx(0.05)
    assert [part.matters for part in report.reports] == [0.1, 0.15, 0.2]


def test_columns_with_too_few_rows_are_named_in_the_summary(monitor):
    report = monitor.detect_drift("risk", "1.0.0", frame(1), frame(2).head(1), ["price"])

    assert report.inconclusive_features == ("price",)
    assert report.summary == "risk 1.0.0: no column drifted; price cannot be judged yet; no retraining is due."


def test_the_only_feature_may_be_missing(monitor):
    report = monitor.detect_drift("risk", "1.0.0", frame(1), frame(2).drop(columns="price"), ["price"])

    assert report.missing_columns == ("price",)
    assert report.requires_retraining
