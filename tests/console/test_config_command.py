"""`bondx config`: what is in force, where it comes from, and what is wrong with the files."""

import functools
import json

import jsonschema
import pytest
import yaml

from console.cli.main import main
from core.alerts.routing.reading import load_routing
from core.clock import utc_now
from core.engine.followed_routing import FollowedRouting
from core.settings import load_settings, source
from core.settings.schema import policy_schema, settings_schema
from core.state import Workspace
from tests.terminal.documented import ROOT

SAMPLES = ROOT / "sample_configs"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.delenv("BONDX_ENV", raising=False)
    monkeypatch.setenv("BONDX_HOME", str(tmp_path / "home"))
    text = "max_epochs: 7\npromotion:\n  min_accuracy: 0.9\nconsole: {mouse: false}\n"
    return Workspace.create(tmp_path / "home", settings_text=text).root


@pytest.fixture
def answer(called, home):
    return functools.partial(called, main)


def origins(answer, *arguments) -> dict[str, tuple[object, str]]:
    code, out, err = answer(*arguments, "--json")
    assert code == 0, err
    return {each["key"]: (each["value"], each["origin"]) for each in json.loads(out)}


def test_each_setting_names_the_line_that_sets_it_or_the_default(answer, home):
    found = origins(answer, "config", "show")

    assert found["max_epochs"] == (7, f"{home}/bondx.yaml:1")
    assert found["policy.promotion.min_accuracy"] == (0.9, f"{home}/bondx.yaml:3")
    assert found["console.mouse"] == (False, f"{home}/bondx.yaml:4")
    assert found["patience"] == (10, "default")


def test_policy_files_the_environment_and_flags_are_named(answer, home, monkeypatch, tmp_path):
    (home / "policy.yaml").write_text("promotion: {min_accuracy: 0.91}\n")
    (home / "strict_policy.yaml").write_text("policy:\n  promotion: {min_accuracy: 0.92}\n")
    mine = tmp_path / "mine.yaml"
    mine.write_text("patience: 3\n")

    limit = "policy.promotion.min_accuracy"
    assert origins(answer, "config", "show")[limit] == (0.91, f"{home}/policy.yaml:1")
    monkeypatch.setenv("BONDX_ENV", "strict")
    assert origins(answer, "config", "show")[limit] == (0.92, f"{home}/strict_policy.yaml:2 (BONDX_ENV=strict)")
    found = origins(answer, "--theme", "bondx-light", "config", "show", "--config", mine)
    assert found["patience"] == (3, f"{mine}:1 (--config)")
    assert found["console.theme"] == ("bondx-light", "--theme")


def test_the_settings_shown_are_the_settings_in_force(answer, home):
    settings = load_settings(home / "bondx.yaml")
    for key, (value, _) in origins(answer, "config", "show").items():
        here = functools.reduce(getattr, key.split("."), settings)
        assert (list(here) if isinstance(here, tuple) else here) == value, key


def test_one_block_is_shown_for_people_with_its_origins(answer, home):
    code, out, _ = answer("config", "show", "console", "--origin")

    assert code == 0
    assert out.splitlines()[0].split() == ["SETTING", "VALUE", "ORIGIN"]
    assert "console.mouse" in out
    assert "max_epochs" not in out
    assert answer("config", "show", "consol")[0] == 2


def test_every_file_is_checked_even_one_that_is_not_in_force(answer, home):
    assert answer("config", "validate")[0] == 0
    (home / "production_policy.yaml").write_text("promotion: {min_accuracy: 9}\n")

    code, out, _ = answer("config", "validate", "--json")
    assert code == 1
    (settings, policy) = json.loads(out)
    assert settings["ok"]
    assert not policy["ok"]
    assert "line 1" in policy["problem"]


def test_a_missing_policy_of_the_environment_is_found(answer, monkeypatch):
    monkeypatch.setenv("BONDX_ENV", "production")
    code, out, _ = answer("config", "validate")
    assert code == 1
    assert "no such file, but BONDX_ENV is 'production'" in out


def test_the_samples_are_valid_by_the_printed_schema(answer):
    assert answer("config", "validate", *SAMPLES.glob("*.yaml"))[0] == 0
    schemas = {
        False: json.loads(answer("config", "schema")[1]),
        True: json.loads(answer("config", "schema", "--policy")[1]),
    }
    for file in SAMPLES.glob("*.yaml"):
        schema = schemas["policy" in file.name]
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(yaml.safe_load(file.read_text()), schema)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("quality_gates: {custom_gates: [nothing]}", "There is no custom gate 'nothing'"),
        ("models: {spread: {algorithm: splines}}", "spread cannot be trained with algorithm 'splines'"),
        ("advanced: {base_models: [nothing]}", "advanced.base_models[0] is 'nothing'"),
        ("ensemble: {base_models: [linear, linear]}", "base_models names linear twice"),
        ("advanced: {weight_bounds: {linear: [0.9, 0.2]}}", "weight_bounds.linear is from 0.9 to 0.2"),
        ("advanced: {weight_bounds: {linear: [0.9, 1], xgboost: [0.3, 1]}}", "the least weights sum to 1.2"),
        ("ensemble: {base_models: [spread_model, spread]}", "base_models names spread twice, once as spread_model"),
        (
            "models: {spread: {algorithm: lightgbm, parameters: {num_leaves: 1}}}",
            "num_leaves of lightgbm is 1: expected a whole number from 2 to 131,072",
        ),
        (
            "models: {spread: {algorithm: lightgbm}}\n"
            "advanced: {enable_hyperparameter_tuning: true, parameter_ranges: {learning_rate: [0, 0.1]}}",
            "learning_rate of lightgbm is 0: expected a number above 0",
        ),
        ("advanced: {parameter_ranges: {num_leaves: []}}", "parameter_ranges.num_leaves has no value to try"),
        ("advanced: {parameter_ranges: {num_leaves: {low: 5, high: 2}}}", "num_leaves is from 5 to 2"),
        ("agents: {by: model, limits: {nobody: {weight: 2}}}", "agents.limits names 'nobody'"),
    ],
)
def test_a_file_that_no_session_would_take_is_invalid(text, says, answer, tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text(text)

    code, out, _ = answer("config", "validate", "--json", file)

    assert code == 1
    assert says in json.loads(out)[0]["problem"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ensemble: {enable_stacking: true, base_models: []}", "has fewer than two members left"),
        (
            "advanced: {enable_hyperparameter_tuning: true, parameter_ranges: {nothing: [1, 2]}}",
            "takes no parameter of the ranges",
        ),
    ],
)
def test_what_a_session_would_not_do_is_told_of_a_valid_file(text, says, answer, tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text(text)

    code, _, told = answer("config", "validate", file)

    assert code == 0
    assert f"{file}: " in told
    assert says in told


@pytest.mark.parametrize(
    "text",
    [
        "max_epoch: 3",
        "max_epochs: 0",
        "policy: {canary: {max_share: 2}}",
        "policy: {overrides: {spread: {canry: {}}}}",
        "console: {mouse: 1}",
        "serving: {listen: 127.0.0.1:8501-8510}",
        "serving: {listen: '127.0.0.1:65536'}",
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(text, answer, tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text(text)

    assert answer("config", "validate", file)[0] == 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), settings_schema())


def test_the_schema_takes_a_policy_with_and_without_its_first_line():
    for text in ("promotion: {min_accuracy: 0.9}", "policy: {promotion: {min_accuracy: 0.9}}"):
        jsonschema.validate(yaml.safe_load(text), policy_schema())


def test_the_keys_are_listed_with_their_ids_as_they_are_bound(answer, home):
    (home / "bondx.yaml").write_text("console: {keys: {registry.promote: B}}\n")
    code, out, _ = answer("config", "keys", "--json")
    assert code == 0
    keys = {each["id"]: each for each in json.loads(out)}
    assert keys["registry.promote"]["key"] == "B"
    assert keys["registry.promote"]["usual"] == "P"
    assert keys["registry.promote"]["changes"] is True
    assert keys["console.sort"]["changes"] is False
    assert "registry.promote" in answer("config", "keys")[1]


def test_a_key_that_the_console_would_refuse_is_invalid(answer, home):
    (home / "bondx.yaml").write_text("console:\n  keys:\n    registry.promote: p\n")
    code, out, _ = answer("config", "validate", "--json")
    (told,) = [each for each in json.loads(out) if not each["ok"]]
    assert code == 1
    assert "line 3, column 5: console.keys.registry.promote is 'p': it changes something" in told["problem"]
    code, _, err = answer("config", "keys")
    assert code == 2
    assert "console.keys.registry.promote" in err


def test_a_file_is_read_once(answer, home, monkeypatch):
    """Settings that are written meanwhile are judged as one file, not half as one and half as another."""
    (home / "bondx.yaml").write_text("console: {keys: {registry.promote: B}}\n")
    read, seen = source.read_text, []
    monkeypatch.setattr("core.settings.yaml_source.read_text", lambda file: seen.append(file.name) or read(file))
    assert answer("config", "validate", home / "bondx.yaml")[0] == 0
    assert seen == ["bondx.yaml"]


def test_a_receiver_that_can_never_work_fails_both_checks(answer, home):
    routing = home / "alertmanager.yaml"
    routing.write_text(
        "route: {receiver: desk}\nreceivers:\n  - name: desk\n    slack_configs: [{api_url: PDSECRET}]\n"
    )
    routing.chmod(0o600)
    (home / "bondx.yaml").write_text("alerts: {routing: alertmanager.yaml}\n")
    code, out, _ = answer("config", "validate", "--json")
    assert code == 1
    (result,) = [each for each in json.loads(out) if not each["ok"]]
    assert result["file"] == str(routing)
    checked, other = answer("alerts", "routes"), answer("alerts", "routes", "--file", routing)
    assert (checked[0], other[0]) == (2, 2)
    for problem in (result["problem"], checked[2], other[2]):
        assert "alertmanager.yaml:4:" in problem
        assert "api_url must be an address" in problem
        assert "PDSECRET" not in problem
    (home / "bondx.yaml").write_text("alerts: {channels: {desk: ['apprise:/nowhere', 'apprise:${ZZZ}']}}\n")
    assert answer("config", "validate")[0] == 0


@pytest.mark.filterwarnings("ignore:'.*' is deprecated and slated for removal:DeprecationWarning")
def test_an_address_that_apprise_does_not_know_fails_the_check(answer, home, monkeypatch):
    monkeypatch.setenv("PAGER", "zzz://PDSECRET")
    (home / "bondx.yaml").write_text("alerts: {channels: {desk: ['apprise:${PAGER}']}}\n")
    code, out, _ = answer("config", "validate")
    assert code == 1
    assert "apprise does not know this address of zzz" in out
    assert "PDSECRET" not in out


def test_a_receiver_that_does_not_exist_fails_the_check(answer, home):
    (home / "bondx.yaml").write_text("alerts: {heartbeat: {receiver: nigt}}\n")
    code, out, _ = answer("config", "validate")
    assert code == 1
    assert "alerts in force" in out
    assert "there is no receiver 'nigt'; the receivers are consoles." in out
    (home / "bondx.yaml").write_text("alerts: {heartbeat: {receiver: consoles}}\n")
    assert answer("config", "validate")[0] == 0


def test_the_routing_that_an_engine_goes_on_with_is_shown_beside_the_faults_of_its_file(answer, home):
    workspace, routing = Workspace(home), home / "alertmanager.yaml"
    (home / "bondx.yaml").write_text("alerts: {routing: alertmanager.yaml}\n")
    routing.write_text(
        "route: {receiver: desk}\nreceivers: [{name: desk, webhook_configs: [{url: 'http://127.0.0.1:9/hook'}]}]\n"
    )
    followed = FollowedRouting(workspace, utc_now)
    followed.follow(config := load_routing(routing))
    routing.write_text("route: {receiver: desk, group_wait: 1x}\nreceivers: [{name: desk, nix_configs: []}]\n")
    followed.without(config)
    for flags, shown in (((), "desk"), (("--effective",), "http://127.0.0.1:9/"), (("--tree",), "default-route")):
        code, out, err = answer("alerts", "routes", *flags)
        assert (code, shown in out) == (2, True)
        assert "alertmanager.yaml, line 1, column 25: " in err
        assert "alertmanager.yaml, line 2, column 26: " in err
        assert "The routing file cannot be used since" in err
        assert "In force is the routing of" in err
    code, out, err = answer("alerts", "receivers")
    assert (code, "desk/webhook 1" in out, "In force is the routing of" in err) == (0, True, True)
    _, out, err = answer("alerts", "receivers", "test", "desk")
    assert ("desk/webhook 1" in out, "In force is the routing of" in err) == (True, True)
    code, out, _ = answer("doctor")
    assert code == 1
    assert "In force is the routing of" in out


def test_the_routing_that_broken_settings_named_before_is_shown(answer, home):
    (home / "alertmanager.yaml").write_text("route: {receiver: desk}\nreceivers: [{name: desk}]\n")
    FollowedRouting(Workspace(home), utc_now).follow(load_routing(home / "alertmanager.yaml"))
    (home / "bondx.yaml").write_text("alerts: {rooting: alertmanager.yaml}\n")
    code, out, err = answer("alerts", "routes")
    assert (code, "desk" in out) == (2, True)
    assert "The routing file stays the one that they named before: alertmanager.yaml." in err
