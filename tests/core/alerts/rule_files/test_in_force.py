"""The rules in force: named by the settings, read again when a file changes; the last good rules of a file stay."""

import os

from core.alerts.rule_files import RulesInForce
from core.settings import AlertSettings

ONE = "groups:\n  - name: a\n    rules:\n      - {alert: A, expr: up == 0}\n"


def write(path, text):
    """Write a file with a later time than the file had."""
    path.parent.mkdir(exist_ok=True)
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(before + 10**9, before + 10**9))


def test_patterns_are_relative_to_the_workspace_and_ready_made_rules_are_included(tmp_path):
    write(tmp_path / "rules" / "a.yaml", ONE)
    write(tmp_path / "rules" / "b.yaml", ONE)
    rules = RulesInForce(tmp_path)

    assert rules.refresh(AlertSettings(rules=["rules/*.yaml"]))
    assert set(rules.files) == {"bondx.rules.yaml", "rules/a.yaml", "rules/b.yaml"}
    assert not rules.refresh(AlertSettings(rules=["rules/*.yaml"]))
    assert rules.refresh(AlertSettings(rules=["rules/b.yaml"], ready_made=False))
    assert set(rules.files) == {"rules/b.yaml"}


def test_a_broken_file_is_a_problem_and_its_last_good_rules_stay(tmp_path):
    settings = AlertSettings(rules=["a.yaml"], ready_made=False)
    rules = RulesInForce(tmp_path)
    write(tmp_path / "a.yaml", ONE)
    rules.refresh(settings)
    good = rules.files["a.yaml"]

    write(tmp_path / "a.yaml", ONE.replace("up == 0", "up =="))
    assert rules.refresh(settings)
    assert rules.files == {"a.yaml": good}
    assert "line 4" in rules.problems["a.yaml"]
    assert not rules.refresh(settings)
    assert "a.yaml" in rules.problems

    write(tmp_path / "a.yaml", ONE.replace("A,", "B,"))
    assert rules.refresh(settings)
    assert rules.problems == {}
    assert [rule.name for rule in rules.files["a.yaml"].rules] == ["B"]


def test_a_missing_file_is_a_problem(tmp_path):
    rules = RulesInForce(tmp_path)
    rules.refresh(AlertSettings(rules=["none.yaml", "no/*.yaml"], ready_made=False))
    assert set(rules.problems) == {"none.yaml", "no/*.yaml"}
