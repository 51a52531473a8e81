"""Rule files: what is read, and every fault with its place."""

import shutil
import subprocess
from datetime import timedelta

import pytest

from core.alerts.rule_files import AlertingRule, RecordingRule, check_rule_file, load_rule_file
from core.settings.errors import SettingsError

GOOD = """\
groups:
  - name: drift
    interval: 30s
    limit: 10
    query_offset: 1m
    labels: {team: models}
    rules:
      - record: model:psi:max
        expr: max by (model) (bondx_drift_psi)
      - alert: HighDrift
        expr: model:psi:max > 0.25
        for: 1h30m
        keep_firing_for: 5m
        labels: {severity: critical, tier: 1}
        annotations:
          summary: "{{ $labels.model }} at {{ $value }}"
"""


def written(folder, text):
    """Write a rule file."""
    path = folder / "a.rules.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read_with_every_key_of_prometheus(tmp_path):
    path = written(tmp_path, GOOD)
    file = load_rule_file(path)

    (group,) = file.groups
    record, alert = group.rules
    assert (group.name, group.interval, group.limit) == ("drift", timedelta(seconds=30), 10)
    assert group.query_offset == timedelta(minutes=1)
    assert isinstance(record, RecordingRule)
    assert record.name == "model:psi:max"
    assert record.labels == {"team": "models"}
    assert isinstance(alert, AlertingRule)
    assert alert.for_ == timedelta(minutes=90)
    assert alert.keep_firing_for == timedelta(minutes=5)
    assert alert.labels == {"team": "models", "severity": "critical", "tier": "1"}
    assert alert.annotations == {"summary": "{{ $labels.model }} at {{ $value }}"}
    assert alert.place == f"{path}:10:9"


ODD = "b: null, c: ~, d: 1.10, e: yes, f: 010, g: 1e3, h: true, i: , j: 0x1F, k: 2020-01-01, l: 1_000, m: .5, n: '010'"
SPELLED = {
    "b": "", "c": "", "d": "1.10", "e": "yes", "f": "010", "g": "1e3", "h": "true", "i": "", "j": "0x1F",
    "k": "2020-01-01", "l": "1_000", "m": ".5", "n": "010",
}  # fmt: skip


def test_scalars_are_the_texts_that_stand_in_the_file(tmp_path):
    text = f"groups: [{{name: 010, labels: {{z: 007}}, rules: [{{alert: 1.10, expr: 1e3, labels: {{{ODD}}}, "
    path = written(tmp_path, text + f"annotations: {{{ODD}}}}}]}}]")
    (group,) = load_rule_file(path).groups
    (rule,) = group.rules
    assert (group.name, rule.name, rule.expression.text) == ("010", "1.10", "1e3")
    assert rule.annotations == SPELLED
    assert rule.labels == {"z": "007", **SPELLED}


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool")
def test_scalars_are_spelled_as_promtool_does(tmp_path):
    labels = ", ".join(f'{name}: "{text}"' for name, text in SPELLED.items() if text)
    written(tmp_path, f"groups: [{{name: a, rules: [{{alert: 1.10, expr: vector(1), labels: {{{ODD}}}}}]}}]")
    (tmp_path / "test.yaml").write_text(
        "rule_files: [a.rules.yaml]\ntests:\n- alert_rule_test:\n  - eval_time: 1m\n    alertname: '1.10'\n"
        f"    exp_alerts: [{{exp_labels: {{{labels}}}}}]\n"
    )
    told = subprocess.run(["promtool", "test", "rules", "test.yaml"], cwd=tmp_path, capture_output=True, check=False)
    assert told.returncode == 0, told


@pytest.mark.parametrize("text", ["", "groups: []\n", "groups:\n"])
def test_a_file_without_rules_is_fine(tmp_path, text):
    assert load_rule_file(written(tmp_path, text)).groups == ()


@pytest.mark.parametrize(
    ("before", "after", "place", "problem"),
    [
        ("for: 1h30m", "for: soon", "line 12, column 9", "no duration"),
        ("interval: 30s", "interval: -3s", "line 3, column 5", "no duration"),
        ("limit: 10", "limit: ten", "line 4, column 5", "whole number"),
        ("bondx_drift_psi)", "bondx_drift_psi", "line 9, column 9", "the expression"),
        ("model:psi:max > 0.25", "limitk(2, x)", "line 11, column 9", "limitk"),
        ("{{ $value }}", "{{ $value ", "line 16, column 11", "the template"),
        ("tier: 1", "tier: '{{ nothing }}'", "line 14, column 38", "nothing"),
        ("tier: 1", "in-valid: 1", "line 14, column 38", "no name of a label"),
        ("tier: 1", "__name__: a", "line 14, column 38", "the name of the series"),
        ("record: model:psi:max", "record: model-psi", "line 8, column 9", "no name of a series"),
        ("keep_firing_for", "keep_firing", "line 13, column 9", "no key of an alerting rule"),
        ("- name: drift", "- title: drift", "line 2, column 5", "title"),
        ("        expr: model:psi:max > 0.25\n", "", "line 10, column 9", "the expression is missing"),
        ("- alert: HighDrift", "- alarm: HighDrift", "line 10, column 9", "either alert or record"),
        ("      - record: model:psi:max\n        expr: max by", "      - expr: max by", "line 8", "either alert or"),
        ("tier: 1", "tier: 1, tier: 2", "line 14, column 47", "given twice"),
    ],
)
def test_a_fault_is_named_with_its_line_and_column(tmp_path, before, after, place, problem):
    assert before in GOOD

    with pytest.raises(SettingsError) as raised:
        load_rule_file(written(tmp_path, GOOD.replace(before, after)))

    assert place in str(raised.value)
    assert problem in str(raised.value)


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool")
@pytest.mark.parametrize(
    ("for_", "limit"),
    [("0", 0), ("'0'", -1), ("0s", -(2**40)), ("'0s'", 3), ("''", 0), ("5", 0), ("'5'", 0)],
)
def test_a_dwell_and_a_limit_are_taken_where_promtool_takes_them(tmp_path, for_, limit):
    text = (
        f"groups: [{{name: a, limit: {limit}, rules: [{{alert: A, expr: up, for: {for_}, keep_firing_for: {for_}}}]}}]"
    )
    path = written(tmp_path, text)
    told = subprocess.run(["promtool", "check", "rules", path], capture_output=True, check=False)
    file, faults = check_rule_file(path)
    assert (told.returncode == 0) is (not faults)
    if file is not None:
        (group,) = file.groups
        assert (group.limit, group.rules[0].for_) == (max(0, limit), timedelta())


def test_all_faults_of_a_file_are_found_at_once(tmp_path):
    text = GOOD.replace("1h30m", "soon").replace("30s", "x").replace("> 0.25", ">")
    file, faults = check_rule_file(written(tmp_path, text))

    assert file is None
    assert len(faults) == 3
    with pytest.raises(SettingsError, match="2 more"):
        load_rule_file(written(tmp_path, text))


def test_a_second_group_of_the_same_name_is_refused(tmp_path):
    path = written(tmp_path, "groups:\n  - name: a\n  - name: a\n")
    with pytest.raises(SettingsError, match=r"line 3, column 5.*already"):
        load_rule_file(path)


def test_a_second_rule_of_the_same_name_and_labels_is_a_warning_as_for_promtool(tmp_path):
    rule = "      - {alert: A, expr: up == 0}\n"
    file = load_rule_file(written(tmp_path, f"groups:\n  - name: a\n    rules:\n{rule}{rule}"))
    assert len(file.warnings) == 1
    assert ":5:" in file.warnings[0]


ALIASED = """\
groups:
- name: g
  rules:
  - &base
    alert: A
    expr: up == 0
    for: &f 5m
    labels: &l {severity: critical, tier: 010}
  - alert: B
    expr: up == 1
    for: *f
    labels: *l
  - <<: *base
    alert: C
    labels: {severity: warning}
  - alert: D
    <<: [{for: 1m}, *base]
    labels: {<<: *l, severity: info}
- {name: h, rules: [*base]}
"""


def test_aliases_and_merge_keys_are_read(tmp_path):
    rules = {}
    for rule in load_rule_file(written(tmp_path, ALIASED)).rules:
        rules.setdefault(rule.name, rule)
    five = timedelta(minutes=5)
    critical = {"severity": "critical", "tier": "010"}
    assert {name: (rule.expression.text, rule.for_, rule.labels) for name, rule in rules.items()} == {
        "A": ("up == 0", five, critical),
        "B": ("up == 1", five, critical),
        "C": ("up == 0", five, {"severity": "warning"}),
        "D": ("up == 0", timedelta(minutes=1), {"severity": "info", "tier": "010"}),
    }


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool")
def test_aliases_and_merge_keys_mean_what_they_mean_to_promtool(tmp_path):
    file = load_rule_file(written(tmp_path, ALIASED))
    expected = []
    for rule in {rule.name: rule for rule in file.rules if "== 0" in rule.expression.text}.values():
        labels = ", ".join(f'{name}: "{text}"' for name, text in rule.labels.items())
        expected.append(f"  - {{eval_time: 10m, alertname: {rule.name}, exp_alerts: [{{exp_labels: {{{labels}}}}}]}}")
    series = "interval: 1m\n  input_series: [{series: up, values: '0x20'}]"
    head = f"rule_files: [a.rules.yaml]\ntests:\n- {series}\n  alert_rule_test:\n"
    (tmp_path / "test.yaml").write_text(head + "\n".join(expected))
    (tmp_path / "a.rules.yaml").write_text(ALIASED.replace("- {name: h, rules: [*base]}\n", ""))
    told = subprocess.run(["promtool", "test", "rules", "test.yaml"], cwd=tmp_path, capture_output=True, check=False)
    assert told.returncode == 0, told


def test_an_alias_that_older_versions_of_prometheus_misread_is_a_warning(tmp_path):
    text = "groups: [{name: a, rules: [{alert: A, expr: &e up}, {alert: B, expr: *e, labels: {a: b}}]}]"
    (warning,) = load_rule_file(written(tmp_path, text)).warnings
    assert ":1:64: expr is an alias" in warning


def bomb(first: str, repeated: str, n_levels: int, width: int) -> str:
    """Nest aliases of aliases."""
    lines = [f"a0: &a0 {first}"]
    for level in range(1, n_levels):
        lines.append(f"a{level}: &a{level} " + repeated.format(", ".join([f"*a{level - 1}"] * width)))
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(bomb("[x]", "[{}]", 9, 9), r"line 1.*repeat more than 100,000 values", id="lists"),
        pytest.param(bomb("{x: 1}", "{{<<: [{}]}}", 9, 9), "line 2.*repeat more than 100,000", id="merge keys"),
        pytest.param(bomb("x", "[{}]", 100, 1), "nested more than 20 deep by its aliases", id="a deep chain"),
        pytest.param(bomb("{x: 1}", "{{<<: {}}}", 5000, 1), "takes over blocks more than 20 deep", id="a merged chain"),
        pytest.param("groups: &a [*a]", "column 13.*within its own anchor", id="itself"),
        pytest.param("groups: *a", "line 1, column 9.*names no anchor above", id="no anchor"),
        pytest.param("a: &a {b: 1}\ngroups: {<<: *a, <<: *a}", "line 2, column 18.*given twice", id="twice"),
        pytest.param("groups: []\n---\ngroups: []", "line 2, column 1.*second document", id="documents"),
        pytest.param("groups: !!binary aGk=", "line 1, column 9.*!!binary", id="binary"),
        pytest.param("a: &a {b: 1, b: 2}\ngroups: *a", "line 1, column 14.*given twice", id="twice in an anchor"),
        pytest.param("groups: {<<: 5}", "line 1, column 14.*takes over a block", id="a number"),
    ],
)
def test_aliases_without_measure_are_refused_with_their_place(tmp_path, text, problem):
    with pytest.raises(SettingsError, match=problem):
        load_rule_file(written(tmp_path, text))


WRITTEN_BY_A_GENERATOR = """\
groups:
- null
- name: a
  limit: null
  rules:
  - null
  - {record: 'a:b', expr: up, alert: '', for: 0s, keep_firing_for: null, annotations: {}}
  - {alert: A, expr: up, record: '', annotations: {__name__: x}}
- {name: b, limit: 1e3, rules: []}
"""


def test_what_says_nothing_in_a_generated_file_is_taken_as_by_prometheus(tmp_path):
    file = written(tmp_path, WRITTEN_BY_A_GENERATOR)
    first, second = load_rule_file(file).groups
    assert [rule.name for rule in first.rules] == ["a:b", "A"]
    assert (first.limit, second.limit) == (0, 1000)
    if shutil.which("promtool"):
        told = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, check=False)
        assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.parametrize("key", ["for: 5m", "keep_firing_for: 5m", "annotations: {a: b}", "alert: A", "limit: true"])
def test_a_key_of_the_other_kind_that_says_something_is_refused(tmp_path, key):
    rule = "{record: 'a:b', expr: up}" if "limit" in key else f"{{record: 'a:b', expr: up, {key}}}"
    group = f"{{name: a, rules: [{rule}]" + (f", {key}}}" if "limit" in key else "}")
    with pytest.raises(SettingsError):
        load_rule_file(written(tmp_path, f"groups: [{group}]"))
