"""`ModelMonitoringService`: arrays and frames, moved and unmoved, and arguments that nobody should pass."""

import numpy as np
import pandas as pd
import pytest

from bondx.ml import DriftType, ModelMonitoringService
from bondx.mlops import DriftMonitor, MLOpsConfig
from core.errors import CoreError, NotFoundError, UsageError
from tests.monitored import monitored


@pytest.fixture
def service():
    found = ModelMonitoringService()
    found.register_model("risk_model", np.random.default_rng(1).normal(size=(1_000, 4)))
    return found


def test_unmoved_data_raise_no_alert_and_moved_data_do(service):
    rng = np.random.default_rng(2)
    assert service.detect_drift("risk_model", rng.normal(size=(500, 4))) == ()
    alerts = service.detect_drift("risk_model", rng.normal(2, 1, size=(500, 4)))
    assert {alert.column for alert in alerts if alert.type is DriftType.FEATURE} == {f"feature_{k}" for k in range(4)}
    assert all(alert.column in alert.message for alert in alerts)


@pytest.mark.parametrize("make", [list, tuple, lambda data: data.astype(np.float32), lambda data: data[:, 0]])
def test_other_forms_of_the_same_numbers_are_read(make):
    data = make(np.random.default_rng(3).normal(size=(500, 1)))
    later = make(np.random.default_rng(4).normal(3, 1, size=(500, 1)))
    service = ModelMonitoringService()
    try:
        service.register_model("m", data)
    except CoreError:
        assert isinstance(data, list | tuple), "rows without names: refused, not guessed"
        return
    assert service.detect_drift("m", later)


def frames(seed, *, shift=0.0, off=0.0, n=800):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n) + shift
    return pd.DataFrame(
        {"x": x, "grade": rng.choice(["A", "B"], n), "y": x + off, "answer": x, "error": rng.normal(off, 0.1, n)}
    )


def test_columns_of_outcomes_answers_and_errors_are_kinds_of_their_own():
    service = ModelMonitoringService()
    service.register_model("m", frames(1), target="y", prediction="answer", residual="error")
    assert service.detect_drift("m", frames(2)) == ()
    assert {alert.type for alert in service.detect_drift("m", frames(3, off=0.3))} >= {DriftType.RESIDUAL}
    kinds = {alert.type for alert in service.detect_drift("m", frames(4, shift=2.0))}
    assert kinds >= {DriftType.FEATURE, DriftType.TARGET, DriftType.PREDICTION}
    assert DriftType.RESIDUAL not in kinds
    lost = service.detect_drift("m", frames(5).drop(columns="x"))
    assert [alert.message for alert in lost] == ["x: the column is missing"]


@pytest.mark.parametrize(
    "data",
    [
        None,
        7,
        np.array(1.0),
        np.zeros((3, 3, 3)),
        np.zeros((0, 4)),
        np.zeros((5, 0)),
        np.ones((5, 4)) * 1j,
        np.full((5, 4), object()),
        np.array(["2020-01-01"], "datetime64[D]"),
        pd.DataFrame(),
        {"feature_0": [1, 2], "feature_1": [1]},
        "nowhere.csv",
    ],
)
def test_what_is_no_table_is_refused_by_name(service, data):
    with pytest.raises(CoreError):
        service.register_model("other", data)
    with pytest.raises(CoreError):
        service.detect_drift("risk_model", data)
    assert service.detect_drift("risk_model", np.random.default_rng(2).normal(size=(500, 4))) == ()


def test_a_batch_of_other_columns_or_an_unknown_model_is_refused(service):
    with pytest.raises(UsageError, match="new_data has 3 columns; the reference has 4"):
        service.detect_drift("risk_model", np.zeros((10, 3)))
    with pytest.raises(CoreError, match="Registered: 'risk_model'"):
        service.detect_drift("risk", np.zeros((10, 4)))
    with pytest.raises(UsageError, match="has no column 'z'"):
        service.register_model("m", frames(1), target="z")
    with pytest.raises(UsageError, match="named twice"):
        service.register_model("m", frames(1), target="y", residual="y")


def test_cells_that_are_no_numbers_are_an_alert_and_no_error(service):
    data = np.random.default_rng(5).normal(size=(500, 4))
    data[:200, 0], data[0, 1] = np.nan, np.inf
    found = {(alert.type, alert.column) for alert in service.detect_drift("risk_model", data)}
    assert found == {(DriftType.QUALITY, "feature_0"), (DriftType.QUALITY, "feature_1")}


def test_the_service_returns_what_the_engine_has_found_of_live_models(tmp_path):
    config = MLOpsConfig.from_yaml(workspace=tmp_path / "desk")
    service, monitor = ModelMonitoringService(config), DriftMonitor(config)
    assert service.live_models() == ()
    with pytest.raises(NotFoundError, match="No live version of 'spread' has been looked at"):
        service.live_model("spread")
    monitored(config.workspace, "spread", "anomaly")
    assert [found.model for found in service.live_models()] == ["anomaly", "spread"]
    assert service.live_model("spread").health.state == "degraded"
    assert [each.state for each in service.live_history("spread").changes if each.what == "health"] == [
        "degraded",
        "healthy",
    ]
    assert monitor.live_drift("spread").columns[0].name == "sector"
