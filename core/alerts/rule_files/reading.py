"""Reading a Prometheus rule file: every fault with its line and column, all faults of a file at once."""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from core.alerts.durations import read_duration
from core.alerts.rule_files.conditions import expression_of
from core.alerts.rule_files.rule_file import AlertingRule, RecordingRule, RuleFile, RuleGroup
from core.errors import UsageError
from core.escape import shown
from core.promql import Expression, PromqlError, check_template
from core.settings.errors import SettingsError
from core.settings.placed_yaml import Merging, PlacedYaml, YamlPath, read_placed

_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_SERIES: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_FILE_KEYS: Final = ("groups",)
_GROUP_KEYS: Final = ("name", "interval", "limit", "query_offset", "labels", "rules")
_ALERT_KEYS: Final = ("alert", "expr", "for", "keep_firing_for", "labels", "annotations")
_RECORD_KEYS: Final = ("record", "expr", "labels")
_CONDITION_KEYS: Final = ("condition", "severity", "notification", "for")
_CONDITION_FOR: Final = timedelta(minutes=5)  # as the ready-made rules have it
MOST_RULES: Final = 5_000

T = TypeVar("T")


def load_rule_file(path: Path) -> RuleFile:
    """Read a rule file.

    Raises:
        SettingsError: It has a fault; the message names the first, with its line and column, and how many more follow.
    """
    file, faults = check_rule_file(path)
    if file is None:
        if len(faults) == 1:
            raise faults[0]
        error = SettingsError(path, "")
        error.args = (f"{faults[0]} ({len(faults) - 1} more: bondx alerts check {path.name} lists all)",)
        raise error
    return file


def check_rule_file(path: Path) -> tuple[RuleFile | None, list[SettingsError]]:
    """Read a rule file and collect its faults.

    Returns:
        The file, or None if it has a fault; and its faults in the order of their places.
    """
    try:
        reader = _Reader(read_placed(path, merging=Merging()))
    except SettingsError as error:
        return None, [error]
    groups = reader.groups()
    if reader.faults:
        return None, reader.faults
    return RuleFile(path=path, groups=groups, warnings=tuple(reader.warnings)), []


class _Reader:
    def __init__(self, yaml: PlacedYaml) -> None:
        self._yaml = yaml
        self.faults: list[SettingsError] = []
        self.warnings: list[str] = []
        self._seen: dict[tuple[str, ...], str] = {}

    def groups(self) -> tuple[RuleGroup, ...]:
        """Read the whole file; an empty file has no rules, as for Prometheus."""
        if self._holds_conditions():
            return (self._conditions(),)
        top = self._mapping((), self._yaml.values, _FILE_KEYS, "a rule file")
        found, names = [], dict[str, str]()
        for index, entry in enumerate(self._list(("groups",), top.get("groups"))):
            path: YamlPath = ("groups", index)
            if entry is None or (group := self._group(path, entry)) is None:
                continue
            if group.name in names:
                self._fault((*path, "name"), f"the group {shown(group.name)} is at {names[group.name]} already: rename")
            names.setdefault(group.name, self._yaml.place((*path, "name")))
            found.append(group)
        if sum(len(group.rules) for group in found) > MOST_RULES:
            self._fault((), f"more than {MOST_RULES:,} rules: split the file")
        return tuple(found)

    def _holds_conditions(self) -> bool:
        """Whether the file names conditions, as teams write them, instead of groups of rules."""
        top = self._yaml.values
        return (
            isinstance(top, dict)
            and "groups" not in top
            and any(isinstance(entry, dict) and "condition" in entry for entry in top.values())
        )

    def _conditions(self) -> RuleGroup:
        """Read `NAME: {condition: …, severity: …, notification: […]}`, one rule each, as one group."""
        rules = []
        for name, entry in self._yaml.values.items():
            if (rule := self._condition((name,), name, entry)) is not None:
                rules.append(rule)
        if len(rules) > MOST_RULES:
            self._fault((), f"more than {MOST_RULES:,} rules: split the file")
        return RuleGroup(name="conditions", rules=tuple(rules))

    def _condition(self, path: YamlPath, name: str, entry: object) -> AlertingRule | None:
        fields = self._mapping(path, entry, _CONDITION_KEYS, "a condition")
        if not fields:
            return None
        text = self._text((*path, "condition"), fields.get("condition"), "the condition")
        given = fields.get("notification")
        told = given if isinstance(given, list) else [given] if given is not None else []
        if any(isinstance(each, dict | list) or each is None for each in told):
            self._fault((*path, "notification"), "notification must be a list of names")
            return None
        severity = self._texts(path, {key: fields[key] for key in ("severity",) if key in fields})
        for_ = self._duration((*path, "for"), fields.get("for"))
        if text is None:
            return None
        try:
            expression = Expression.parse(expression_of(text))
        except (UsageError, PromqlError) as error:
            self._fault((*path, "condition"), str(error))
            return None
        summary = "{{ $labels.model }} {{ $labels.version }}: " + f'{text} ({{{{ $value | printf "%.3g" }}}})'
        return AlertingRule(
            name=name,
            expression=expression,
            place=self._yaml.place(path),
            for_=_CONDITION_FOR if for_ is None else for_,
            labels=severity | ({"notification": ",".join(map(str, told))} if told else {}),
            annotations={"summary": summary},
        )

    def _group(self, path: YamlPath, entry: object) -> RuleGroup | None:
        fields = self._mapping(path, entry, _GROUP_KEYS, "a group")
        name = self._text((*path, "name"), fields.get("name"), "the name of the group")
        labels = self._labels((*path, "labels"), fields.get("labels"))
        limit = self._limit((*path, "limit"), fields.get("limit"))
        rules = []
        for index, rule in enumerate(self._list((*path, "rules"), fields.get("rules"))):
            if rule is not None and (read := self._rule((*path, "rules", index), rule, name or "", labels)) is not None:
                rules.append(read)
        interval = self._duration((*path, "interval"), fields.get("interval"))
        offset = self._duration((*path, "query_offset"), fields.get("query_offset"))
        return (
            name
            and RuleGroup(
                name=name,
                rules=tuple(rules),
                interval=interval or None,
                limit=max(0, limit),  # below 0 is no limit, too
                query_offset=offset or timedelta(),
            )
        ) or None

    def _limit(self, path: YamlPath, given: object) -> int:
        """Read a whole number; the decoder of Prometheus takes 1e3, too, and cuts 1.5."""
        if given is None:
            return 0
        if isinstance(given, bool) or not isinstance(given, int | float) or not abs(given) < 2**63:
            self._fault(path, f"{shown(given)} must be a whole number; 0 is no limit")
            return 0
        return int(given)

    def _rule(
        self, path: YamlPath, entry: object, group: str, group_labels: Mapping[str, str]
    ) -> AlertingRule | RecordingRule | None:
        given = _without_idle_keys(entry) if isinstance(entry, dict) else {}
        if ("alert" in given) == ("record" in given):
            self._fault(path, "a rule must have either alert or record: the name of the alert, or of the series")
            return None
        is_alert = "alert" in given
        keys = _ALERT_KEYS if is_alert else _RECORD_KEYS
        fields = self._mapping(path, given, keys, "an alerting rule" if is_alert else "a recording rule")
        kind = keys[0]
        name = self._text((*path, kind), fields.get(kind), "the name")
        labels = {**group_labels, **self._labels((*path, "labels"), fields.get("labels"))}
        expression = self._expression((*path, "expr"), fields)
        place = self._yaml.place((*path, kind))
        if name is not None:
            self._note_repetition(path, kind, group, name, labels)
        for key in (kind, "expr"):
            if (*path, key) in self._yaml.aliased:
                place_of_key = self._yaml.place((*path, key))
                self.warnings.append(
                    f"{place_of_key}: {key} is an alias: a Prometheus before 3.2 reads the name of the anchor here, so "
                    "write the text out if the file serves one"
                )
        if not is_alert:
            if name is not None and not _SERIES.fullmatch(name):
                self._fault((*path, kind), f"{shown(name)} is no name of a series: letters, digits, _ and : only")
            if name is None or expression is None:
                return None
            return RecordingRule(name=name, expression=expression, place=place, labels=labels)
        for_ = self._duration((*path, "for"), fields.get("for"))
        keep = self._duration((*path, "keep_firing_for"), fields.get("keep_firing_for"))
        annotations = self._labels((*path, "annotations"), fields.get("annotations"), reserved=frozenset())
        for block, texts in (
            ("labels", self._texts((*path, "labels"), fields.get("labels"))),
            ("annotations", annotations),
        ):
            for key, text in texts.items():
                self._checked((*path, block, key), partial(check_template, text), "the template")
        if name is None or expression is None:
            return None
        return AlertingRule(
            name=name,
            expression=expression,
            place=place,
            for_=for_ or timedelta(),
            keep_firing_for=keep or timedelta(),
            labels=labels,
            annotations=annotations,
        )

    def _note_repetition(self, path: YamlPath, kind: str, group: str, name: str, labels: Mapping[str, str]) -> None:
        """Warn, as promtool does, of a second rule with the same name and labels."""
        key = (kind, name, *(f"{label}={value}" for label, value in sorted(labels.items())))
        place = self._yaml.place((*path, kind))
        if key in self._seen:
            self.warnings.append(
                f"{place}: {shown(name)} has the same name and labels as the rule at {self._seen[key]}: give it a label"
            )
        self._seen.setdefault(key, place)

    def _expression(self, path: YamlPath, fields: Mapping[str, Any]) -> Expression | None:
        text = self._text(path, fields.get("expr"), "the expression")
        return None if text is None else self._checked(path, lambda: Expression.parse(text), "the expression")

    def _checked(self, path: YamlPath, read: Callable[[], T], what: str) -> T | None:
        try:
            return read()
        except PromqlError as error:
            self._fault(path, f"{what}: {error}")
            return None

    def _labels(
        self, path: YamlPath, given: object, *, reserved: frozenset[str] = frozenset({"__name__"})
    ) -> dict[str, str]:
        if given is None:
            return {}
        if not isinstance(given, dict):
            self._fault(path, "must be a block of names and texts")
            return {}
        for name, value in given.items():
            if not _LABEL.fullmatch(name):
                self._fault((*path, name), f"{shown(name)} is no name of a label: letters, digits and _ only")
            elif name in reserved:
                self._fault((*path, name), f"{name} is the name of the series: a rule cannot set it as a label")
            if isinstance(value, dict | list):
                self._fault((*path, name), "must be text")
        return self._texts(path, given)

    def _texts(self, path: YamlPath, given: object) -> dict[str, str]:
        """Take scalars as the text that they are in the file."""
        if not isinstance(given, dict):
            return {}
        scalars = {name: value for name, value in given.items() if not isinstance(value, dict | list)}
        return {name: self._yaml.text((*path, name), value) for name, value in scalars.items()}

    def _duration(self, path: YamlPath, given: object) -> timedelta | None:
        if given is None:
            return None
        try:
            return read_duration(given)
        except UsageError as error:
            self._fault(path, str(error))
            return None

    def _text(self, path: YamlPath, given: object, what: str) -> str | None:
        if isinstance(given, dict | list) or given is None or not (text := self._yaml.text(path, given).strip()):
            self._fault(path, f"{what} is missing: it must be text")
            return None
        return text

    def _list(self, path: YamlPath, given: object) -> list[object]:
        if given is None:
            return []
        if not isinstance(given, list):
            self._fault(path, f"{path[-1]} must be a list")
            return []
        return given

    def _mapping(self, path: YamlPath, given: object, keys: tuple[str, ...], what: str) -> dict[str, Any]:
        if given is None:
            return {}
        if not isinstance(given, dict):
            self._fault(path, f"{what} must be a block of keys: {', '.join(keys)}")
            return {}
        for key in given:
            if key not in keys:
                self._fault((*path, key), f"{shown(key)} is no key of {what}; the keys are {', '.join(keys)}")
        return given

    def _fault(self, path: YamlPath, problem: str) -> None:
        self.faults.append(self._yaml.error(path, problem))


def _without_idle_keys(rule: dict[str, Any]) -> dict[str, Any]:
    """Leave out what a generator of rules writes of the other kind: it says nothing, and Prometheus takes it.

    >>> _without_idle_keys({"record": "a", "expr": "up", "alert": "", "for": "0s", "annotations": {}})
    {'record': 'a', 'expr': 'up'}
    """
    idle = {key for key in ("alert", "record") if rule.get(key) == ""}
    if rule.keys() & {"record"} - idle:
        idle |= {key for key in ("for", "keep_firing_for") if rule.get(key) in (None, 0, "0", "0s")}
        idle |= {key for key in ("annotations",) if rule.get(key) in (None, {})}
    return {key: value for key, value in rule.items() if key not in idle}
