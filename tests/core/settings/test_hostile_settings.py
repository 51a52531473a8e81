"""Settings files that nobody wrote on purpose: read as what they say, or refused with file, line and cure."""

import contextlib
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from core.settings import Settings, SettingsError
from core.settings.load import settings_of
from core.settings.yaml_source import parse_yaml

FILE = Path("bondx.yaml")


def read(text: str) -> Settings:
    return settings_of([parse_yaml(FILE, text)])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("max_epochs: 010", 'reads 010 as the number 8: write 8, or "010" if it is text'),
        ("max_epochs: 1:30", "reads 1:30 as the number 90: write 90"),
        ("max_epochs: 1_000", "reads 1_000 as the number 1000: write 1000"),
        ("max_epochs: 0b101", "reads 0b101 as the number 5: write 5"),
        ("max_epochs: 0o17", "reads 0o17 as text: write 15"),
        ("max_epochs: 08", "reads 08 as text: write 8"),
        ("max_epochs: 1e3", "reads 1e3 as text: write 1000"),
        ("quality_threshold: .inf", "quality_threshold is inf: expected a number"),
        ("policy: {canary: {steps: [.nan]}}", "policy.canary.steps is nan: expected a number"),
        ("max_epochs: " + "9" * 5000, "has 5000 characters, too many for a number"),
        ("max_epochs: 0x_", "0x_ is a number without digits"),
        ("max_epochs: -0b__", "-0b__ is a number without digits"),
        ("x: &a [1]", "anchors and aliases are not supported: write it out"),
        ("domain: 2026-03-01", 'as a date: write "2026-03-01", in quotes'),
        ("domain_settings: {since: 2026-03-01 10:00:00}", "as a date"),
        ("domain: !!binary aGk=", "the type binary, which settings do not have"),
        ("domain: off", "expected text (without quotes YAML reads yes and on as true, no and off as false)"),
        ("models: {spread: {algorithm: no}}", "without quotes YAML reads"),
        ("quality_gates: {custom_gates: [yes]}", "without quotes YAML reads"),
    ],
)
def test_a_word_that_yaml_reads_as_something_else_is_refused_as_what_it_is(text, says):
    with pytest.raises(SettingsError) as refusal:
        read(text)

    assert says in str(refusal.value)
    assert re.search(r"bondx\.yaml, line 1, column [1-9]\d*: ", str(refusal.value))


@pytest.mark.parametrize("text", ['domain: "010"', "domain: '1e5'", "domain: |-\n  off", "console: {mouse: off}"])
def test_a_quoted_text_and_a_switch_where_one_is_expected_are_taken_as_they_are(text):
    assert read(text)


KEYS = st.sampled_from(list(Settings.__struct_fields__))
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.dates(), st.sampled_from([b"", (1,)])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
POLICIES = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("promotion", "canary", "drift", "retention", "tracking", "overrides"), VALUES)
)
FILES = st.dictionaries(KEYS | st.text(max_size=6), VALUES, max_size=4) | st.builds(
    lambda policy: {"policy": policy}, POLICIES
)


@pytest.mark.fuzz
@given(
    st.one_of(
        st.text(max_size=80),
        st.text(alphabet="ab:-[]{}#&*!|>'\"%@`,? \n\t01_.", max_size=80),
        FILES.map(lambda values: yaml.dump(values, allow_unicode=True)),
    )
)
@example("? [a]\n: b")
@example("{a: {b: c}, <<: d}")
@example("policy: {overrides: {a: {canary: {steps: [2, 1]}}}}")
def test_any_file_is_settings_or_one_clear_error(text):
    with contextlib.suppress(SettingsError):
        assert isinstance(read(text), Settings)
