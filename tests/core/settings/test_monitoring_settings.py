"""The `monitoring` block."""

import pytest

from core.settings import SettingsError, load_settings


def test_rules_of_a_model_come_from_patterns_and_then_from_its_own_name(tmp_path):
    file = tmp_path / "bondx.yaml"
    file.write_text(
        "monitoring:\n  false_alarm_days: 60\n"
        "  overrides:\n    rent: {weight: 3}\n    'r*': {weight: 2, harmless_sd: 0.1}\n"
    )
    monitoring = load_settings(file).monitoring

    rent, other = monitoring.for_model("rent"), monitoring.for_model("spread")
    assert (rent.weight, rent.harmless_sd, rent.false_alarm_days) == (3, 0.1, 60)
    assert (other.weight, other.harmless_sd, other.false_alarm_days) == (1, 0.02, 60)


def test_the_windows_and_the_margin_of_performance_may_differ_by_model(tmp_path):
    file = tmp_path / "bondx.yaml"
    file.write_text(
        "monitoring:\n  performance_margin: 0.2\n"
        "  overrides: {'r*': {performance_windows: [6, 72]}, rent: {performance_margin: 0.05}}\n"
    )
    monitoring = load_settings(file).monitoring

    rent, other = monitoring.for_model("rent"), monitoring.for_model("spread")
    assert (rent.performance_margin, rent.performance_windows) == (0.05, (6, 72))
    assert (other.performance_margin, other.performance_windows) == (0.2, (1, 24, 168))


@pytest.mark.parametrize("windows", ["[]", "[0]", "[169]", "[6, 6]", "[1, 2, 3, 4, 5, 6, 7]"])
def test_windows_that_cannot_be_are_refused(tmp_path, windows):
    file = tmp_path / "bondx.yaml"
    for block in (
        f"{{performance_windows: {windows}}}",
        f"{{overrides: {{rent: {{performance_windows: {windows}}}}}}}",
    ):
        file.write_text(f"monitoring: {block}\n")
        with pytest.raises(SettingsError, match="monitoring"):
            load_settings(file)


@pytest.mark.parametrize("entry", ["{weight: -1}", "{wait: 2}", "{false_alarm_days: 0}"])
def test_an_override_out_of_range_or_of_no_rule_is_refused(tmp_path, entry):
    file = tmp_path / "bondx.yaml"
    file.write_text(f"monitoring: {{overrides: {{rent: {entry}}}}}\n")
    with pytest.raises(SettingsError, match="overrides"):
        load_settings(file)
