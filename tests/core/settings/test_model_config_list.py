"""TensorFlow Serving's list of what to serve is read as the block `serving.models`, and refused at the fault."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.escape import is_shown_as_is
from core.settings import SettingsError, load_settings, text_proto
from core.settings.model_config_list import load_model_config_file, read_model_config_file
from core.settings.served_models import ServedModelSettings
from core.settings.text_proto import parse_text_proto

USUAL = """\
# what the trading desk serves
model_config_list {
  config {
    name: "spread"
    base_path: "/models/spread"
    model_platform: "tensorflow"
    model_version_policy { specific { versions: 1 versions: 2 } }
    version_labels { key: "stable" value: 1 }
    version_labels { key: 'canary' value: 2 }
  }
  config: <name: "down" "grade", model_version_policy: {latest: {num_versions: 0x2}};>
  config { name: "liquidity_shock" model_version_policy { all {} } logging_config { } model_type: TENSORFLOW }
}
"""
AS_SETTINGS = {
    "spread": ServedModelSettings(
        versions=(1, 2), labels={"stable": 1, "canary": 2}, ignored=("base_path", "model_platform")
    ),
    "downgrade": ServedModelSettings(versions="latest", latest=2),
    "liquidity_shock": ServedModelSettings(versions="all", ignored=("model_type", "logging_config")),
}


@pytest.fixture
def write(tmp_path):
    def write_file(text, name="models.config"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write_file


def test_a_usual_file_is_read(write):
    assert load_model_config_file(write(USUAL)) == AS_SETTINGS


def test_lists_and_versions_of_our_own_are_read(write):
    file = write(
        'model_config_list: {config: [{name: "a" model_version_policy: {specific: {versions: ["1.2.0", 3]}}},'
        '{name: "b" version_labels: [{key: "live" value: "production"}, {key: "old" value: "1.0.0"}]}]}'
    )
    assert load_model_config_file(file) == {
        "a": ServedModelSettings(versions=("1.2.0", 3)),
        "b": ServedModelSettings(labels={"live": "production", "old": "1.0.0"}),
    }


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("", "", "there is no model_config_list: expected model_config_list { config { name: … } }"),
        ("model_config_list {}", "", "model_config_list names no model: nothing would be served"),
        (
            "model_config_list {\n  config {\n",
            "line 3, column 1",
            "expected the name of a field or }, found the end of",
        ),
        ("model_config_list {\n  config }", "line 2, column 10", "expected : or { after config, found '}'"),
        ("custom_model_config {}", "line 1, column 1", "the file has no field 'custom_model_config'"),
        ("model_config_list { config { nam: 'a' } }", "line 1, column 30", "config has no field 'nam': it has name,"),
        ("model_config_list { config { } }", "line 1, column 21", "a config has no name"),
        ("model_config_list { config { name: 'A b' } }", "line 1, column 30", "name is 'A b': the name of a model has"),
        ("model_config_list { config { name: a } }", "line 1, column 30", "name is 'a': the name of a model has"),
        (
            "model_config_list { config { name: 'a } }",
            "line 1, column 36",
            "found a text that does not end on its line",
        ),
        ("model_config_list { config { name: 'a' name: 'b' } }", "line 1, column 40", "name is given twice in config"),
        (
            "model_config_list { config { name: 'a' }\nconfig { name: 'a' } }",
            "line 2, column 1",
            "the model a is listed twice",
        ),
        (
            "model_config_list { config { name: 'a' model_version_policy { all {} latest {} } } }",
            "line 1, column 40",
            "a version policy is one of latest, all and specific",
        ),
        (
            "model_config_list { config { name: 'a' model_version_policy { specific { } } } }",
            "line 1, column 63",
            "specific names no versions",
        ),
        (
            "model_config_list { config { name: 'a' model_version_policy { specific { versions: -1 } } } }",
            "line 1, column 74",
            "versions is -1: expected a version such as 1 or",
        ),
        (
            "model_config_list { config { name: 'a' model_version_policy { latest { num_versions: 0 } } } }",
            "line 1, column 72",
            "num_versions is 0: expected 1 to 10,000",
        ),
        (
            "model_config_list { config { name: 'a' version_labels { key: 'x' } } }",
            "line 1, column 40",
            "a version label needs a key and a value",
        ),
        ("model_config_list { config: 08 }", "line 1, column 29", "'08' is not a number"),
        ("model_config_list { config: 'a' }", "line 1, column 21", "config is 'a': expected a block { … }"),
        ("model_config_list { [x.y]: 1 }", "line 1, column 21", "expected the name of a field or }, found '['"),
        (
            "model_config_list { config { name: '\\x1b' } }",
            "line 1, column 36",
            "holds characters that no terminal shows",
        ),
        ("model_config_list { config { name: '\\q' } }", "line 1, column 36", "is not a text: an escape is wrong"),
        ("a {" * 50, "line 1, column 64", "nested deeper than 20 levels"),
    ],
)
def test_a_fault_is_refused_at_its_line_and_column(write, text, place, problem):
    file = write(text)
    with pytest.raises(SettingsError) as refusal:
        read_model_config_file(file)
    said = str(refusal.value)
    assert said.startswith(f"{file}, {place}: " if place else f"{file}: ")
    assert problem in said


def test_a_label_of_a_version_that_is_not_served_is_refused(write):
    file = write(
        "model_config_list { config { name: 'a' model_version_policy { specific { versions: 1 } } "
        "version_labels { key: 'x' value: 2 } } }"
    )
    with pytest.raises(SettingsError, match="the label x is of version 2, which is not among the versions"):
        load_model_config_file(file)


@pytest.mark.parametrize(
    "text",
    [
        "model_config_list: {config: [{name: spread, base_path: /m, model_version_policy: {specific: {versions: [1]}}, "
        "version_labels: {stable: 1}}]}",
        "model_config_list: [{config: {name: spread, base_path: /m, model_version_policy: {specific: {versions: 1}}, "
        "version_labels: [{key: stable, value: 1}]}}]",
        "serving: {model_config_list: [{name: spread, base_path: /m, model_version_policy: {specific: {versions: 1}}, "
        "version_labels: {key: stable, value: 1}}]}",
        "serving: {models: {spread: {versions: [1], labels: {stable: 1}, ignored: [base_path]}}}",
    ],
)
def test_settings_take_the_same_list(write, text):
    expected = ServedModelSettings(versions=(1,), labels={"stable": 1}, ignored=("base_path",))
    assert load_settings(write(text, "bondx.yaml")).serving.models == {"spread": expected}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("\nmodel_config_list: {config: [{nam: a}]}", "line 2, column 1: config has no field 'nam'"),
        ("model_config_list: 3", "line 1, column 1: model_config_list is 3: expected a block"),
        ("model_config_list: []\nserving: {models: {}}", "are the same setting"),
        ("serving: {models: {Spread: {}}}", "the name of a model has 1 to 64 lowercase letters"),
        ("serving: {models: {spread: {versions: newest}}}", "serving.models.spread.versions is 'newest'"),
        (
            "serving: {models: {spread: {versions: [1.2.3.4]}}}",
            "expected a version such as 1.2.0; 1 is short for 1.0.0",
        ),
        (
            "serving: {models: {spread: {version: 1}}}",
            "serving.models.spread has no key 'version': did you mean versions?",
        ),
    ],
)
def test_settings_refuse_what_is_no_list(write, text, problem):
    with pytest.raises(SettingsError) as refusal:
        load_settings(write(text, "bondx.yaml"))
    assert problem in str(refusal.value)


names = st.text(string.ascii_lowercase, min_size=1, max_size=8)
blanks = st.sampled_from([" ", "\n", "\t", " # a note\n", "  "])
texts = st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), max_size=6).filter(is_shown_as_is)
whole = st.integers(-(10**18), 10**18)
messages = st.deferred(lambda: st.lists(st.tuples(names, whole | texts | messages), max_size=4))


def written(message, blank, quote):
    def value(found):
        if isinstance(found, str):
            return quote + found.replace("\\", "\\\\").replace(quote, f"\\{quote}") + quote
        return str(found) if isinstance(found, int) else "{" + written(found, blank, quote) + "}"

    return blank.join(f"{name}:{blank}{value(found)}" for name, found in message)


def read(fields):
    return [(name, read(value) if isinstance(value, list) else value) for name, value, *_ in fields]


@given(messages, blanks, st.sampled_from("'\""))
def test_what_is_written_is_read(message, blank, quote):
    assert read(parse_text_proto("f", written(message, blank, quote))) == message


PIECES = ["config", "name", ":", "{", "}", "<", ">", "[", "]", "'a'", '"', "1", "\\", ",", "#", "\n", "-", "\x00"]


@pytest.mark.fuzz
@given(st.lists(st.sampled_from(PIECES)) | st.text().map(list))
def test_any_text_is_read_or_refused_at_a_place(pieces):
    text = " ".join(pieces)
    try:
        parse_text_proto("f", text)
    except SettingsError as error:
        refused = str(error)
    else:
        refused = "f, line 1"
    assert refused.startswith("f, line ")


@pytest.mark.parametrize("text", ['\\"' * 300, "a: \\'" + "\\'" * 300, "a: 1 ' \n" * 300])
def test_nothing_after_the_first_error_is_looked_at(text, monkeypatch):
    """Each quote that nothing closes would be looked for up to the end of its line: 30,000 of them took 17 s."""
    tokens, seen = text_proto._tokens, []

    def counted(text):
        for token in tokens(text):
            seen.append(token)
            yield token

    monkeypatch.setattr(text_proto, "_tokens", counted)
    with pytest.raises(SettingsError, match="line 1"):
        parse_text_proto("f", text)
    assert len(seen) <= 5
