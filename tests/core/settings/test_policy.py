"""Which policy counts, for which model, and how a wrong one is refused."""

from pathlib import Path

import pytest

import sample_configs
from core.settings import CanaryPolicy, Policy, PolicySource, SettingsError, load_policy, load_settings
from core.settings.policy_source import (
    going_on_with_last_good,
    last_good_environment,
    read_policy,
    require_policy,
)


@pytest.fixture
def write(tmp_path: Path):
    def write_file(text: str, name: str = "policy.yaml") -> Path:
        file = tmp_path / name
        file.write_text(text)
        return file

    return write_file


def min_accuracy(root: Path, **selection) -> float:
    return load_policy(root, **{"environ": {}, **selection}).promotion.min_accuracy


def test_without_any_file_the_documented_defaults_apply(tmp_path):
    policy = load_policy(tmp_path, environ={})
    assert policy == Policy()
    assert (policy.drift.feature, policy.drift.target, policy.drift.residual) == (0.1, 0.15, 0.2)
    assert (policy.canary.initial_share, policy.canary.max_share, policy.canary.promotion_threshold) == (
        0.05,
        0.2,
        0.95,
    )
    assert (policy.promotion.min_accuracy, policy.promotion.max_drift) == (0.85, 0.1)


def test_one_policy_file_overrides_the_section_of_the_settings(tmp_path, write):
    write("policy: {promotion: {min_accuracy: 0.7, max_drift: 0.3}}", "bondx.yaml")
    assert min_accuracy(tmp_path) == 0.7
    write("promotion: {min_accuracy: 0.8}")
    assert min_accuracy(tmp_path) == 0.8
    assert load_policy(tmp_path, environ={}).promotion.max_drift == 0.3
    production = write("policy: {promotion: {min_accuracy: 0.95}}", "production_policy.yaml")
    assert min_accuracy(tmp_path, environ={"BONDX_ENV": "production"}) == 0.95
    named = write("promotion: {min_accuracy: 0.5}", "mine.yaml")
    assert min_accuracy(tmp_path, config=named, environ={"BONDX_ENV": "production"}) == 0.5
    assert PolicySource(tmp_path, environ={"BONDX_ENV": "production"}).files()[-1] == production


def test_an_environment_without_its_file_is_an_error_and_never_the_wrong_policy(tmp_path, write):
    write("promotion: {min_accuracy: 0.8}")
    with pytest.raises(SettingsError, match=r"staging_policy\.yaml: no such file, but BONDX_ENV is 'staging'"):
        load_policy(tmp_path, environ={"BONDX_ENV": "staging"})


@pytest.mark.parametrize("name", ["../secret", "a/b", "é", "x" * 65], ids=["dots", "slash", "letter", "long"])
def test_an_environment_is_a_word_and_not_a_path(tmp_path, name):
    with pytest.raises(SettingsError, match=r"BONDX_ENV: .* is not an environment"):
        load_policy(tmp_path, environ={"BONDX_ENV": name})


def test_a_policy_is_read_again_when_its_file_changes_and_only_then(tmp_path, write):
    write("promotion: {min_accuracy: 0.8}")
    source = PolicySource(tmp_path, environ={})
    first = source.policy()
    assert source.policy() is first
    write("promotion: {min_accuracy: 0.81, max_drift: 0.2}")
    assert source.policy().promotion.min_accuracy == 0.81


def test_the_first_spelling_of_promotion_is_still_read(tmp_path, write):
    file = write("promotion: {min_accuracy: 0.6}", "bondx.yaml")
    assert load_settings(file).policy.promotion.min_accuracy == 0.6
    assert min_accuracy(tmp_path) == 0.6


def test_overrides_apply_by_pattern_in_their_order_and_by_name_last(write):
    policy = read_policy(
        write(
            "promotion: {min_accuracy: 0.8, max_drift: 0.2}\n"
            "overrides:\n"
            "  spread: {promotion: {min_accuracy: 0.99}}\n"
            '  "s*": {promotion: {min_accuracy: 0.5, max_drift: 0.3}}\n'
            '  "*d": {canary: {min_samples: 7}}\n'
        )
    )
    spread, anomaly = policy.for_model("spread"), policy.for_model("anomaly")
    assert (spread.promotion.min_accuracy, spread.promotion.max_drift, spread.canary.min_samples) == (0.99, 0.3, 7)
    assert (anomaly.promotion.min_accuracy, anomaly.promotion.max_drift, anomaly.canary.min_samples) == (0.8, 0.2, 100)


@pytest.mark.parametrize(
    ("canary", "shares"),
    [
        pytest.param({}, (0.05, 0.1, 0.2), id="doubling"),
        pytest.param({"steps": (0.1, 0.15)}, (0.05, 0.1, 0.15, 0.2), id="given"),
        pytest.param({"initial_share": 0.2}, (0.2,), id="one step"),
        pytest.param({"initial_share": 0.05, "max_share": 0.5}, (0.05, 0.1, 0.2, 0.4, 0.5), id="last one shorter"),
    ],
)
def test_the_steps_of_a_canary_go_from_the_first_share_to_the_largest(canary, shares):
    assert CanaryPolicy(**canary).shares == pytest.approx(shares)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param(
            "canry: {}\ndrift: {}", "line 1, column 1: there is no key 'canry': did you mean canary?", id="section"
        ),
        pytest.param(
            "canary:\n  dwell: 3", "line 2, column 3: policy.canary has no key 'dwell': did you mean", id="key"
        ),
        pytest.param("drift: {feature: -1}", "policy.drift.feature is -1: expected a number > 0", id="range"),
        pytest.param("drift: {feature: .inf}", "policy.drift.feature is inf: expected a number", id="infinite"),
        pytest.param(
            "canary: {initial_share: 0.5}",
            "policy.canary: initial_share (0.5) must not be above max_share",
            id="shares",
        ),
        pytest.param("canary: {steps: [0.2, 0.1]}", "steps [0.2, 0.1] must ascend between", id="steps"),
        pytest.param("canary: {steps: [0.1, many]}", "policy.canary.steps[1]", id="in a list"),
        pytest.param("canary: {max_share: 1}", "the stable version keeps some traffic", id="all"),
        pytest.param("tracking: {lost_after_seconds: 5}", "must be at least twice heartbeat_seconds", id="heartbeat"),
        pytest.param(
            "overrides: {spread: 3}", "policy.overrides.spread is 3: expected lines `key: value` below it", id="entry"
        ),
        pytest.param(
            "overrides:\n  spread:\n    promotion: {min_acuracy: 1}",
            "line 3, column 17: policy.overrides.spread.promotion has no key 'min_acuracy': did you mean min_accuracy?",
            id="key of an override",
        ),
        pytest.param(
            "overrides:\n  'x*':\n    promotion: {min_accuracy: 7}",
            "line 3, column 17: policy.overrides.x*.promotion.min_accuracy is 7: expected a number <= 1",
            id="range in an override",
        ),
        pytest.param(
            "canary: {max_share: 0.3}\noverrides: {spread: {canary: {initial_share: 0.4}}}",
            "policy.overrides.spread.canary: initial_share (0.4) must not be above max_share (0.3)",
            id="an override that does not fit its section",
        ),
        pytest.param(
            "overrides: {spread: {tracking: {}}}", "policy.overrides.spread has no key 'tracking'", id="scope"
        ),
        pytest.param("promotion: {}\npolicy: {promotion: {}}", "keep policy.promotion and remove the other", id="both"),
        pytest.param("promotion: {required_approvals: 11}", "expected a whole number <= 10", id="approvals"),
        pytest.param("drift: &x {}\ncanary: *x", "anchors and aliases are not supported", id="alias"),
    ],
)
def test_a_bad_policy_gets_one_error_that_names_file_field_and_cure(write, text, says):
    file = write(text)
    with pytest.raises(SettingsError) as refusal:
        read_policy(file)
    assert str(refusal.value).startswith(str(file))
    assert says in str(refusal.value)


def test_the_production_policy_requires_two_approvers():
    policy = load_policy(Path("/nowhere"), config=sample_configs.FOLDER / "production_policy.yaml", environ={})
    assert policy.for_model("spread").promotion.required_approvals == 2
    assert policy.for_model("downgrade").promotion.required_approvals == 1
    assert policy.for_model("liquidity_shock").canary.min_samples == 5000
    assert policy.tracking.required_tags == ("owner",)


RICH = """
policy:
  canary: {initial_share: 0.02, dwell_seconds: 30}
  promotion: {min_accuracy: 0.7, required_approvals: 2}
  retraining: {schedule: "0 6 * * MON", enabled: true}
  overrides: {"spread*": {promotion: {min_accuracy: 0.9}}}
"""


def test_a_process_of_the_engine_goes_on_with_its_last_good_policy(tmp_path, write):
    write(RICH, "bondx.yaml")
    good = load_policy(tmp_path)
    assert last_good_environment(tmp_path) == {}
    write("policy: {promotion: {min_accuracy: 7}}", "bondx.yaml")
    environ = last_good_environment(tmp_path)
    with pytest.raises(SettingsError, match="min_accuracy"):
        load_policy(tmp_path, environ={})
    assert PolicySource(tmp_path, environ=environ).policy() == good
    assert good.for_model("spread").promotion.min_accuracy == 0.9


def test_a_named_file_that_turns_bad_is_stood_in_for_in_an_engine_alone(tmp_path, write):
    named = write("policy: {promotion: {min_accuracy: 0.6}}", "named.yaml")
    source = PolicySource(tmp_path, config=named, environ={})
    assert source.policy().promotion.min_accuracy == 0.6
    named.unlink()
    with going_on_with_last_good():
        assert source.policy().promotion.min_accuracy == 0.6
    with pytest.raises(SettingsError, match=r"named\.yaml"):
        source.policy()


def test_what_works_for_long_needs_the_workspaces_own_policy_beside_a_named_one(tmp_path, write, monkeypatch):
    monkeypatch.setenv("BONDX_CONFIG", str(write("promotion: {min_accuracy: 0.6}", "named.yaml")))
    write("promotion: {required_approvals: -1}")
    with pytest.raises(SettingsError, match="required_approvals"):
        require_policy(tmp_path)
    write("promotion: {required_approvals: 1}")
    require_policy(tmp_path)
