"""The rules of retraining are read strictly: one clear error with its place."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.settings import SettingsError, load_settings
from core.settings.retraining import Blackout, RetrainingPolicy


def read(tmp_path: Path, text: str) -> RetrainingPolicy:
    file = tmp_path / "bondx.yaml"
    file.write_text(f"policy:\n  overrides:\n    pricing*:\n      retraining: {text}\n")
    return load_settings(file).policy.for_model("pricing_eu").retraining


def test_a_model_has_the_rules_of_its_pattern(tmp_path):
    found = read(tmp_path, "{enabled: true, schedule: '0 2 * * 0', drift: {importance_share: 0.3}}")
    assert found.triggers == ("drift", "schedule")
    assert found.n_approvals == 1
    assert found.cron is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{enabled: true}", "enabled without a trigger"),
        ("{schedule: 'tomorrow'}", "five fields"),
        ("{time_zone: Mars/Olympus}", "there is no time zone"),
        ("{source: {kind: files}}", "source.path"),
        ("{source: {kind: generator}, method: reweigh}", "rows are drawn"),
        ("{method: reweight}", "method"),
        ("{source: {kind: served, path: /data}}", "only read with source.kind files"),
        ("{source: {kind: command, command: [export]}}", "{out}"),
        ("{drift: {verdict: storm}}", "verdict"),
        ("{min_sampels: 5}", "min_samples"),
        ("{blackouts: [{from: '25:00', to: '06:00'}]}", "time of day"),
        ("{validation: {margin: -1}}", "margin"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path, text, said):
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text)
    assert said in str(caught.value)
    assert "overrides" in str(caught.value)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-03-06 22:30", "2026-03-07 06:00"),  # a Friday
        ("2026-03-07 05:59", "2026-03-07 06:00"),
        ("2026-03-07 06:00", None),
        ("2026-03-07 22:30", None),
        ("2026-03-05 23:00", None),
    ],
)
def test_a_blackout_over_midnight_belongs_to_the_day_on_which_it_begins(now, until):
    rule = Blackout(begins="22:00", ends="06:00", days=("friday",))
    found = RetrainingPolicy(blackouts=(rule,)).blackout_until(datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert found == (None if until is None else datetime.fromisoformat(until).replace(tzinfo=UTC))
