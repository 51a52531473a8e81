"""What a settings file may hold, and how it is refused otherwise."""

from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import msgspec
import pytest

from core.errors import ExitCode
from core.settings import Settings, SettingsError, load_settings
from core.settings.source import EXAMPLES


@pytest.fixture
def write(tmp_path: Path):
    def write_file(text: str | bytes, name: str = "bondx.yaml") -> Path:
        file = tmp_path / name
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return write_file


def test_an_empty_file_means_the_defaults(write):
    assert load_settings(write("")) == Settings()


def test_a_later_file_changes_only_the_keys_it_names(write):
    below = write("max_epochs: 7\nalerts: {cpu_percent_max: 50, disk_percent_max: 60}\n", "a.yaml")
    above = write("patience: 3\nalerts: {cpu_percent_max: 70}\n", "b.yaml")

    settings = load_settings(below, above)

    assert (settings.max_epochs, settings.patience) == (7, 3)
    assert (settings.alerts.cpu_percent_max, settings.alerts.disk_percent_max) == (70, 60)


def test_models_are_those_of_the_domain_unless_some_are_named(write):
    assert load_settings(write("models: {}")).models == load_settings(write("{}")).models == {}


def test_an_algorithm_is_any_text_until_a_session_is_asked_for(write):
    settings = load_settings(write("models: {convexity: {algorithm: splines}}"))
    assert settings.models["convexity"].algorithm == "splines"


def test_a_models_block_names_the_whole_set_to_train(write):
    settings = load_settings(write("models: {spread: {algorithm: lightgbm, parameters: {num_leaves: 7}}}"))

    assert list(settings.models) == ["spread"]
    assert settings.models["spread"].parameters == {"num_leaves": 7}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param(
            "max_epoch: 3", "line 1, column 1: there is no key 'max_epoch': did you mean max_epochs?", id="typing error"
        ),
        pytest.param(
            "max_epochs: 3\nquality_gates:\n  coverage_mn: 3",
            "line 3, column 3: quality_gates has no key 'coverage_mn': did you mean coverage_min?",
            id="typing error in a block",
        ),
        pytest.param("zzzz: 1", "the keys are random_seed, max_epochs", id="nothing is near"),
        pytest.param(
            "\nmax_epochs: 0", "line 2, column 1: max_epochs is 0: expected a whole number >= 1", id="out of range"
        ),
        pytest.param("max_epochs: many", "max_epochs is 'many': expected a whole number", id="wrong type"),
        pytest.param("training_split: .nan", "training_split is nan: expected a number", id="not a number"),
        pytest.param("training_split: .inf", "training_split is inf: expected a number", id="infinite"),
        pytest.param("max_epochs: 3\nmax_epochs: 4", "max_epochs is given twice (first on line 1)", id="duplicate key"),
        pytest.param(
            "ensemble: enabled",
            "ensemble: expected lines `key: value` below it, indented",
            id="block is a word",
        ),
        pytest.param(
            "alerts: 3", "alerts is 3: expected lines `key: value` below it, indented", id="block is a number"
        ),
        pytest.param(
            "models: {spread: {algoritm: auto}}", "models.spread has no key 'algoritm': did you mean", id="model's key"
        ),
        pytest.param(
            "ensemble: {base_models: [lightgbm, 3]}", "ensemble.base_models[1] is 3: expected text", id="in a list"
        ),
        pytest.param("a: [1, 2", "line 1, column 9: not valid YAML", id="torn YAML"),
        pytest.param("- 1\n- 2", "expected `key: value` lines", id="a list"),
        pytest.param("a: &x [1]\nb: *x", "anchors and aliases are not supported", id="alias bomb"),
        pytest.param("a: " + "[" * 3000, "nested more than 20 deep", id="deep nesting"),
        pytest.param("!!python/object/apply:os.system [true]", "expected `key: value`", id="python object"),
        pytest.param(
            "random_seed: !!python/object/apply:os.system [true]", "random_seed", id="python object in a value"
        ),
        pytest.param("? [1]\n: 2", "a key must be plain text", id="complex key"),
        pytest.param("random_seed: 2020-13-45", "random_seed", id="impossible date"),
        pytest.param(b"\xff\xfe\x00a", "not UTF-8", id="wrong encoding"),
        pytest.param(b"a: \x00", "NUL", id="binary"),
        pytest.param(b"#" * ((1 << 20) + 1), "larger than 1 MiB", id="huge"),
    ],
)
def test_a_bad_file_gets_one_error_that_names_file_field_and_cure(write, text, says):
    file = write(text)

    with pytest.raises(SettingsError) as refusal:
        load_settings(file)

    assert str(refusal.value).startswith(str(file))
    assert says in str(refusal.value)
    assert refusal.value.exit_code is ExitCode.USAGE


NAME = "expected the name of a model"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('telemetry:\n  predictions:\n    models:\n      "": {}', "4, column 7: telemetry.predictions.models has"),
        ("telemetry: {predictions: {models: {' ': {}}}}", f"telemetry.predictions.models has the key ' ': {NAME}"),
        ("telemetry: {predictions: {models: {Spread: {}}}}", f"models has the key 'Spread': {NAME}"),
        ("telemetry: {predictions: {models: {'a b': {}}}}", f"models has the key 'a b': {NAME}"),
        ("telemetry: {predictions: {models: {'a[': {}}}}", f"models has the key 'a[': {NAME}"),
        ('policy:\n  overrides:\n    a*: {}\n    "\\t": {drift: {}}', "4, column 5: policy.overrides has the key '"),
        ("models: {'': {}}", "1, column 10: models has the key '': expected text that is not blank"),
        ("models: {spread: {algorithm: ' '}}", "models.spread.algorithm is ' ': expected text that is not blank"),
        ("models: {spread: {parameters: {'': 1}}}", "models.spread.parameters has the key '': expected text"),
        ("quality_gates: {custom_gates: [a, '']}", "quality_gates.custom_gates[1] is '': expected text that is not"),
        ("policy: {tracking: {required_tags: [' ']}}", "policy.tracking.required_tags[0] is ' ': expected text that"),
        ("policy: {canary: {slices: [a, '']}}", "policy.canary.slices[1] is '': expected text that is not blank"),
        ("policy: {canary: {slices: [{column: ' '}]}}", "canary.slices[0].column is ' ': expected text that is not"),
        ("policy: {overrides: {a: {canary: {slices: ['']}}}}", "policy.overrides.a.canary.slices[0] is '': expected"),
        ("policy: {promotion: {accuracy_metric: ' '}}", "accuracy_metric is ' ': expected text that is not blank"),
        ("domain: ''", "line 1, column 1: domain is '': expected text that is not blank"),
    ],
)  # fmt: skip
def test_a_name_or_pattern_that_can_match_nothing_is_refused_with_its_line_and_column(write, text, says):
    with pytest.raises(SettingsError) as refusal:
        load_settings(write(text))
    assert says in str(refusal.value)
    assert refusal.value.exit_code is ExitCode.USAGE


def test_every_pattern_that_can_match_a_model_is_taken(write):
    patterns = ["spread", "*", "desk_*", "desk-?", "desk_[ab]*", "[!a]*", "7*"]
    text = "".join(f"      '{pattern}': {{keep_days: 3}}\n" for pattern in patterns)
    assert (
        list(load_settings(write(f"telemetry:\n  predictions:\n    models:\n{text}")).telemetry.predictions.models)
        == patterns
    )


CHECKED_ELSEWHERE = {"console.keys", "policy.canary.slices.levels"}  # by the keymap; a level of a column may be blank


def plain_texts(struct: type[msgspec.Struct], at: str = "") -> set[str]:
    """Find mappings by any text, and lists of any text."""
    found = set()
    for field in msgspec.structs.fields(struct):
        found |= _plain_texts(field.type, f"{at}{field.name}")
    return found


def _plain_texts(annotation: Any, at: str) -> set[str]:
    bare = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    if isinstance(bare, type) and issubclass(bare, msgspec.Struct):
        return plain_texts(bare, f"{at}.")
    parts = get_args(bare)
    is_plain = get_origin(bare) in (dict, tuple) and parts[0] is str
    is_open = get_origin(bare) is dict and parts[1] is Any  # the settings of a domain
    return set().union(*(_plain_texts(part, at) for part in parts)) | ({at} if is_plain and not is_open else set())


def test_no_setting_takes_a_blank_name_or_pattern():
    assert plain_texts(Settings) == CHECKED_ELSEWHERE


@pytest.mark.parametrize("make", [lambda p: p / "missing.yaml", lambda p: p], ids=["missing", "folder"])
def test_a_path_that_is_not_a_file_is_named(tmp_path, make):
    with pytest.raises(SettingsError, match=r"no such file|is a folder"):
        load_settings(make(tmp_path))


def test_an_example_of_the_pages_is_found_where_it_is_installed(tmp_path):
    for name, said in (
        ("quick.yaml", rf"no such file; this example is installed as {EXAMPLES / 'quick.yaml'}"),
        ("slow.yaml", "no such file$"),
    ):
        with pytest.raises(SettingsError, match=said):
            load_settings(tmp_path / "sample_configs" / name)


def test_the_error_names_the_file_at_fault(write):
    good, bad = write("max_epochs: 3", "good.yaml"), write("patience: 0", "bad.yaml")

    with pytest.raises(SettingsError, match=r"bad\.yaml, line 1, column 1: patience is 0"):
        load_settings(bad, good)
