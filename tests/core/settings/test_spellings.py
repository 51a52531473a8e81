"""Settings files that users bring along are accepted as they are, and shown in the canonical spelling."""

from pathlib import Path

import pytest

from core.settings import SettingsError, cautions, load_settings
from core.settings.origin import setting_origins
from core.settings.policy_source import load_policy
from core.training.session_domain import checked

BROUGHT = Path(__file__).parent / "brought_along"


@pytest.fixture
def write(tmp_path):
    def write_file(text: str) -> Path:
        file = tmp_path / "bondx.yaml"
        file.write_text(text)
        return file

    return write_file


@pytest.mark.parametrize("file", sorted(BROUGHT.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_file_that_users_bring_along_starts_a_session(file):
    assert checked(load_settings(file).training)


def test_the_small_trainer_means_what_it_says():
    settings = load_settings(BROUGHT / "autonomous_trainer.yaml")

    assert settings.patience == 20
    assert settings.advanced.selection_method == "mutual_information"
    assert settings.advanced.base_models == ("xgboost", "random_forest", "gradient_boosting")


def test_the_long_session_combines_models_of_the_domain_by_their_own_names():
    settings = checked(load_settings(BROUGHT / "enterprise_trainer.yaml").training)

    assert settings.ensemble.base_models == ("spread", "downgrade", "liquidity_shock")
    assert settings.ensemble.meta_learner == "gradient_boosting"
    assert settings.convergence_timeout_hours == 6


def test_a_policy_is_read_by_its_other_names_with_and_without_the_line_policy(tmp_path):
    without = load_policy(tmp_path, config=BROUGHT / "policy.yaml")
    (tmp_path / "with.yaml").write_text(
        "policy:\n" + "".join(f"  {line}\n" for line in (BROUGHT / "policy.yaml").read_text().splitlines())
    )

    assert without == load_policy(tmp_path, config=tmp_path / "with.yaml")
    assert (without.drift.feature, without.drift.target, without.drift.residual) == (0.1, 0.15, 0.2)
    assert (without.canary.initial_share, without.canary.max_share) == (0.05, 0.20)


def test_the_rules_of_one_model_have_the_other_names_too(write):
    file = write("policy: {overrides: {spread: {drift: {feature_drift_threshold: 0.3}}}}")

    assert load_settings(file).policy.for_model("spread").drift.feature == 0.3


def test_settings_and_policy_stand_in_one_file(write):
    settings = load_settings(write("max_epochs: 7\ndrift: {feature: 0.3}\npromotion: {min_accuracy: 0.5}\n"))

    assert (settings.max_epochs, settings.policy.drift.feature) == (7, 0.3)
    assert settings.policy.promotion.min_accuracy == 0.5


def test_versions_to_keep_stand_beside_what_the_engine_deletes(write):
    settings = load_settings(write("drift: {feature: 0.3}\nretention: {keep_archived: 3, runs: 50}\n"))

    assert (settings.policy.retention.keep_archived, settings.retention.runs) == (3, 50)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("patience: 3\nimprovement_patience: 4", "line 2, column 1: improvement_patience and patience are the same"),
        ("drift: {feature: 1}\npolicy: {drift: {}}", "line 1, column 1: drift and policy.drift are the same setting"),
        (
            "policy: {canary: {max_canary_percentage: 2}}",
            "line 1, column 19: policy.canary.max_share is 2: expected a number <= 1.0",
        ),
        ("policy: 3\ndrift: {}", "line 1, column 1: policy is 3"),
        ("advanced: {selection_method: [mutual_info]}", "line 1, column 12: advanced.selection_method"),
        ("stress_testing: 3", "line 1, column 1: stress_testing is 3"),
    ],
)
def test_a_mistake_beside_another_spelling_names_its_place(write, text, says):
    with pytest.raises(SettingsError) as refusal:
        load_settings(write(text))

    assert says in str(refusal.value)


@pytest.mark.parametrize(
    "scenario",
    [
        "enable_global_liquidity_freeze",
        "enable_downgrade_cascade",
        "enable_interest_rate_shocks",
        "enable_inflation_scenarios",
        "enable_fx_risk_scenarios",
    ],
)
def test_an_enabled_scenario_turns_stress_testing_on(write, scenario):
    assert load_settings(write(f"stress_testing: {{{scenario}: true}}")).stress_testing.enable_stress_testing


def test_the_master_switch_and_a_disabled_scenario_say_otherwise(write):
    off = write("stress_testing: {enable_stress_testing: false, enable_fx_risk_scenarios: true}")
    assert not load_settings(off).stress_testing.enable_stress_testing
    assert not load_settings(
        write("stress_testing: {enable_fx_risk_scenarios: false}")
    ).stress_testing.enable_stress_testing


def test_a_setting_in_another_spelling_keeps_its_place_and_shows_its_own_name(write):
    file = write("max_epochs: 7\nimprovement_patience: 9\n")

    found = next(each for each in setting_origins(file.parent) if each.key == "patience")

    assert (found.value, found.line) == (9, 2)


def test_an_unknown_value_names_itself_and_the_values_there_are(write):
    with pytest.raises(SettingsError) as refusal:
        load_settings(write("advanced: {tuning_method: guess}"))

    assert str(refusal.value).endswith(
        "advanced.tuning_method is 'guess': expected one of grid_search, random_search, bayesian"
    )


def test_few_rows_are_a_caution_and_not_a_refusal(write):
    (caution,) = cautions(load_settings(write("dataset_size: 50")).training)

    assert "dataset_size is 50" in caution
    assert cautions(load_settings(write("dataset_size: 100")).training) == ()
