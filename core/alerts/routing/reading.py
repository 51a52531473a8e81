"""Reading an Alertmanager configuration file, checked with line and column."""

import difflib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from core.alerts.delivery.secret import is_private
from core.alerts.delivery.template_files import load_templates, template_files
from core.alerts.durations import read_duration
from core.alerts.routing.config import (
    ALL_LABELS,
    InhibitRule,
    Receiver,
    ReceiverBlock,
    RouteNode,
    RoutingConfig,
)
from core.alerts.routing.time_intervals import (
    LOCAL,
    Range,
    TimeInterval,
    read_days_of_month,
    read_months,
    read_times,
    read_weekdays,
    read_years,
)
from core.alerts.selecting import AlertMatcher, read_matchers, require_usable
from core.errors import UsageError
from core.escape import is_shown_as_is, shown
from core.home_paths import at_home
from core.promql.template_reading import TemplateLibrary
from core.settings.errors import SettingsError
from core.settings.placed_yaml import Merging, PlacedYaml, YamlPath, read_placed

T = TypeVar("T")

GROUP_WAIT: Final = timedelta(seconds=30)
GROUP_INTERVAL: Final = timedelta(minutes=5)
REPEAT_INTERVAL: Final = timedelta(hours=4)
"""The defaults of Alertmanager's documentation."""
MOST_ROUTES: Final = 10_000

_TOP: Final = (
    "global", "route", "receivers", "inhibit_rules", "time_intervals", "mute_time_intervals", "templates",
    "tracing",
)  # fmt: skip
_ROUTE: Final = (
    "receiver", "group_by", "continue", "match", "match_re", "matchers", "group_wait", "group_interval",
    "repeat_interval", "mute_time_intervals", "active_time_intervals", "routes",
)  # fmt: skip
_INHIBIT: Final = (
    "name", "target_match", "target_match_re", "target_matchers", "source_match", "source_match_re",
    "source_matchers", "equal",
)  # fmt: skip
_TIMES: Final = ("times", "weekdays", "days_of_month", "months", "years", "location")
KINDS: Final = (
    "discord_configs", "email_configs", "incidentio_configs", "jira_configs", "mattermost_configs",
    "msteams_configs", "msteamsv2_configs", "opsgenie_configs", "pagerduty_configs", "pushover_configs",
    "rocketchat_configs", "slack_configs", "sns_configs", "telegram_configs", "victorops_configs",
    "webex_configs", "webhook_configs", "wechat_configs",
)  # fmt: skip
"""The channels that a receiver of Alertmanager 0.34 may have."""
_GLOBAL: Final = (
    "resolve_timeout", "http_config", "smtp_from", "smtp_smarthost", "smtp_hello", "smtp_auth_username",
    "smtp_auth_password", "smtp_auth_password_file", "smtp_auth_secret", "smtp_auth_secret_file",
    "smtp_auth_identity", "smtp_require_tls", "smtp_tls_config", "smtp_force_implicit_tls", "slack_api_url",
    "slack_api_url_file", "slack_app_token", "slack_app_token_file", "slack_app_url", "pagerduty_url",
    "opsgenie_api_url", "opsgenie_api_key", "opsgenie_api_key_file", "wechat_api_url", "wechat_api_secret",
    "wechat_api_secret_file", "wechat_api_corp_id", "victorops_api_url", "victorops_api_key",
    "victorops_api_key_file", "telegram_api_url", "telegram_bot_token", "telegram_bot_token_file",
    "webex_api_url", "rocketchat_api_url", "rocketchat_token", "rocketchat_token_file", "rocketchat_token_id",
    "rocketchat_token_id_file", "jira_api_url", "mattermost_webhook_url", "mattermost_webhook_url_file",
)  # fmt: skip
_MERGING: Final = Merging(
    in_order=True,
    joined=frozenset(f"{side}{key}" for side in ("", "source_", "target_") for key in ("match", "matchers")),
)
"""`<<` as the decoder of Alertmanager reads it; its matchers are added to those that are there."""
_FLAGS: Final = frozenset(
    {"send_resolved", "require_tls", "smtp_require_tls", "force_implicit_tls", "smtp_force_implicit_tls"}
    | {"insecure_skip_verify", "follow_redirects"}
)
_WORDS: Final = {"y": True, "yes": True, "on": True, "n": False, "no": False, "off": False}
"""As such, yaml.v2 reads a flag, too."""
_LABEL: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def routing_file(root: Path, given: str | None) -> Path | None:
    """Return the routing file that the settings name; None if they name none.

    Args:
        root: The workspace, at which a relative path begins.
        given: `alerts.routing` of the settings.
    """
    return None if given is None else root / at_home(given)


def load_routing(file: Path) -> RoutingConfig:
    """Read and check a configuration.

    Args:
        file: In the format of Alertmanager 0.34.

    Raises:
        SettingsError: It cannot be used; the message names file, line and column, what is wrong and what to do.
        RoutingFaultsError: There are several faults; the message is that of the first, and counts the others.
    """
    return replace(_Reading(read_placed(file, merging=_MERGING)).config(), is_private=is_private(file))


def read_document(document: Mapping[str, Any], file: Path, templates: Mapping[Path, str]) -> RoutingConfig:
    """Read a configuration that was kept elsewhere.

    Args:
        document: The values of the file.
        file: Where it stood.
        templates: The text of each file of templates.

    Raises:
        SettingsError: It cannot be used.
    """
    return _Reading(PlacedYaml(file, document, {}, {}), templates).config()


class RoutingFaultsError(SettingsError):
    """A routing file has several faults.

    Attributes:
        faults: All of them, in the order in which the file is read.
    """

    def __init__(self, faults: Sequence[SettingsError]) -> None:
        first = faults[0]
        rest = "1 more fault" if len(faults) == 2 else f"{len(faults) - 1} more faults"
        super(SettingsError, self).__init__(f"{first} ({rest}: bondx alerts routes lists all.)")  # it has its place
        self.file = first.file
        self.faults = tuple(faults)


class _Reading:
    """One file while it is read."""

    def __init__(self, source: PlacedYaml, kept_templates: Mapping[Path, str] | None = None) -> None:
        self._source = source
        self._kept_templates = kept_templates
        self._receivers: dict[str, Receiver] = {}
        self._intervals: dict[str, tuple[TimeInterval, ...]] = {}
        self._n_routes = 0
        self._faults: list[SettingsError] = []

    def config(self) -> RoutingConfig:
        top = self._mapping(self._source.values, (), None)
        self._attempt(self._mapping, top, (), _TOP)
        settings = self._attempt(self._global, top.get("global")) or {}
        for name in ("time_intervals", "mute_time_intervals"):
            self._each(self._read_interval, top.get(name), (name,))
        self._each(self._read_receiver, top.get("receivers"), ("receivers",))
        root = RouteNode(
            key="{}",
            receiver="",
            group_by=(),
            group_wait=GROUP_WAIT,
            group_interval=GROUP_INTERVAL,
            repeat_interval=REPEAT_INTERVAL,
            matchers=(),
            goes_on=False,
            mute_time_intervals=(),
            active_time_intervals=(),
        )
        patterns = self._attempt(self._templates, top.get("templates")) or ()
        library = self._attempt(self._library, patterns)
        route = None
        if top.get("route") is None:
            problem = "there is no route: name the receiver that hears by default."
            self._faults.append(self._source.error((), problem))
        else:
            route = self._attempt(partial(self._route, is_root=True), top["route"], ("route",), root)
        inhibit_rules = self._each(self._inhibit_rule, top.get("inhibit_rules"), ("inhibit_rules",))
        if len(self._faults) == 1:
            raise self._faults[0]
        if self._faults:
            raise RoutingFaultsError(self._faults)
        assert route is not None
        assert library is not None
        return RoutingConfig(
            file=self._source.file,
            route=route,
            receivers=self._receivers,
            inhibit_rules=tuple(inhibit_rules),
            time_intervals=self._intervals,
            global_fields=self._as_written(settings, ("global",)),
            written=self._as_written(top, ()),
            templates=patterns,
            unmatched=tuple(
                self._source.place(("templates", index))
                for index, pattern in enumerate(patterns)
                if self._kept_templates is None and not template_files([pattern])
            ),
            library=library,
        )

    def _attempt(self, read: Callable[..., T], *given: Any) -> T | None:
        """Read one part; its fault is kept, and the others are read all the same."""
        try:
            return read(*given)
        except SettingsError as fault:
            self._faults.append(fault)
            return None

    def _each(self, read: Callable[[Any, YamlPath], T], value: Any, path: YamlPath) -> list[T]:
        """Read the parts of a list, and leave out those with a fault."""
        items = self._attempt(self._list, value, path) or []
        found = [self._attempt(read, item, (*path, index)) for index, item in enumerate(items)]
        return [each for each in found if each is not None]

    def _templates(self, value: Any) -> tuple[str, ...]:
        """Read the patterns of `templates`, which begin at the folder of the file."""
        folder = self._source.file.absolute().parent
        return tuple(
            str(folder / self._text(item, ("templates", index), "a pattern of files"))
            for index, item in enumerate(self._list(value, ("templates",)))
        )

    def _library(self, patterns: Sequence[str]) -> TemplateLibrary:
        if self._kept_templates is not None:
            return load_templates(list(self._kept_templates), self._kept_templates.__getitem__)
        return load_templates(template_files(patterns))

    def _global(self, value: Any) -> Mapping[str, Any]:
        """Check what an Alertmanager refuses even if no receiver needs it."""
        settings = self._mapping({} if value is None else value, ("global",), _GLOBAL)
        self._duration(settings, ("global",), "resolve_timeout", timedelta())
        for name in _GLOBAL:
            if settings.get(name) is not None and settings.get(f"{name}_file") is not None:
                problem = f"{name} and {name}_file are both given; keep one."
                raise self._source.error(("global", f"{name}_file"), problem)
        return settings

    def _read_receiver(self, value: Any, path: YamlPath) -> None:
        fields = self._named_mapping(value, path, KINDS)
        name = self._text(fields.get("name"), (*path, "name"), "the name of the receiver")
        if name in self._receivers:
            raise self._source.error(
                (*path, "name"), f"there are two receivers {_named(name)}; give each its own name."
            )
        self._receivers[name] = Receiver(name, ())  # routes may name it, whatever is wrong with it
        self._mapping(value, path, ("name", *KINDS))
        blocks: list[ReceiverBlock] = []
        for kind in fields:
            if kind == "name":
                continue
            for index, item in enumerate(self._list(fields[kind], (*path, kind))):
                where = (*path, kind, index)
                if not isinstance(item, dict):
                    raise self._source.error(where, f"an entry of {kind} must be `key: value` lines.")
                blocks.append(ReceiverBlock(kind, self._as_written(item, where), self._source.place(where)))
        self._receivers[name] = Receiver(name, tuple(blocks))

    def _as_written(self, value: Any, path: YamlPath) -> Any:
        """Return fields of channels, whose numbers may be a password or a name: 0123 stays the text 0123."""
        if isinstance(value, dict):
            return {
                key: self._flag(value, path, key) if key in _FLAGS else self._as_written(item, (*path, key))
                for key, item in value.items()
                if item is not None or key not in _FLAGS  # its default then
            }
        if isinstance(value, list):
            return [self._as_written(item, (*path, index)) for index, item in enumerate(value)]
        if not isinstance(value, int | float):
            return value
        text = self._source.text(path, value)
        return value if text == str(value) else text

    def _route(self, value: Any, path: YamlPath, parent: RouteNode, *, is_root: bool = False) -> RouteNode:
        self._n_routes += 1
        if self._n_routes > MOST_ROUTES:
            raise self._source.error(path, f"there are more than {MOST_ROUTES:,} routes.")
        fields = self._mapping(value, path, None)
        node = self._attempt(partial(self._node, is_root=is_root), fields, path, parent) or parent
        below = partial(self._route, parent=node)
        return replace(node, routes=tuple(_apart(self._each(below, fields.get("routes"), (*path, "routes")))))

    def _node(self, fields: Mapping[str, Any], path: YamlPath, parent: RouteNode, *, is_root: bool) -> RouteNode:
        """Read a route without those below it."""
        self._mapping(fields, path, _ROUTE)
        matchers = self._matchers(fields, path, "")
        if is_root:
            self._refuse_at_root(fields, path, matchers)
        receiver = parent.receiver
        if fields.get("receiver") is not None or is_root:
            receiver = self._text(fields.get("receiver"), (*path, "receiver"), "the receiver of the route")
            if receiver not in self._receivers:
                known = (
                    f"{_nearest(receiver, self._receivers)}the receivers are {', '.join(self._receivers) or 'none'}."
                )
                raise self._source.error((*path, "receiver"), f"there is no receiver {_named(receiver)}; {known}")
        return replace(
            parent,
            key="{}" if is_root else f"{parent.key}/{_braces(matchers)}",
            receiver=receiver,
            group_by=self._group_by(fields, path, parent),
            group_wait=self._duration(fields, path, "group_wait", parent.group_wait),
            group_interval=self._duration(fields, path, "group_interval", parent.group_interval, may_be_zero=False),
            repeat_interval=self._duration(fields, path, "repeat_interval", parent.repeat_interval, may_be_zero=False),
            matchers=matchers,
            goes_on=self._flag(fields, path, "continue"),
            mute_time_intervals=self._interval_names(fields, path, "mute_time_intervals"),
            active_time_intervals=self._interval_names(fields, path, "active_time_intervals"),
            routes=(),
        )

    def _refuse_at_root(self, fields: Mapping[str, Any], path: YamlPath, matchers: tuple[AlertMatcher, ...]) -> None:
        if matchers:
            raise self._source.error(path, "the first route takes every alert and has no matchers: put them below it.")
        for name in ("mute_time_intervals", "active_time_intervals", "continue"):
            if fields.get(name):
                raise self._source.error((*path, name), f"the first route takes no {name}: put it on a route below it.")

    def _group_by(self, fields: Mapping[str, Any], path: YamlPath, parent: RouteNode) -> tuple[str, ...]:
        if fields.get("group_by") in (None, []):  # as Alertmanager: [] takes over, too
            return parent.group_by
        names: list[str] = []
        for index, item in enumerate(self._list(fields["group_by"], (*path, "group_by"))):
            name = self._text(item, (*path, "group_by", index), "a label's name")
            if name != ALL_LABELS and not name.isprintable():
                raise self._source.error((*path, "group_by", index), f"{_named(name)} is no name of a label.")
            if name in names:
                raise self._source.error((*path, "group_by", index), f"{name} is given twice; keep one.")
            names.append(name)
        if ALL_LABELS in names and len(names) > 1:
            raise self._source.error((*path, "group_by"), "'...' groups by all labels, so it stands alone.")
        return tuple(names)

    def _inhibit_rule(self, value: Any, path: YamlPath) -> InhibitRule:
        fields = self._mapping(value, path, _INHIBIT)
        equal = [
            self._text(item, (*path, "equal", index), "a label's name")
            for index, item in enumerate(self._list(fields.get("equal"), (*path, "equal")))
        ]
        source, target = self._matchers(fields, path, "source_"), self._matchers(fields, path, "target_")
        return InhibitRule(source, target, tuple(equal))

    def _matchers(self, fields: Mapping[str, Any], path: YamlPath, prefix: str) -> tuple[AlertMatcher, ...]:
        """Read the matchers of a route, or of one side of an inhibition, in all three spellings."""
        found: list[AlertMatcher] = []
        for key, op in ((f"{prefix}match", "="), (f"{prefix}match_re", "=~")):
            given = fields.get(key)
            for name, text in self._mapping({} if given is None else given, (*path, key), None).items():
                where = (*path, key, name)
                if isinstance(text, list | dict) or (text is None and op == "=~"):
                    raise self._source.error(where, f"the value of {_named(name)} must be text.")
                if not _LABEL.fullmatch(name):
                    raise self._source.error(where, f"{_named(name)} is no name of a label.")
                matcher = AlertMatcher(name, op, self._source.text(where, text))
                found.append(self._checked(where, _usable, matcher))
        key = f"{prefix}matchers"
        for index, item in enumerate(self._list(fields.get(key), (*path, key))):
            where = (*path, key, index)
            text = self._text(item, where, "a matcher")
            found += self._checked(where, partial(read_matchers, is_typed=False), text)
        return tuple(sorted(found, key=lambda each: (each.name, each.op, each.value)))

    def _read_interval(self, value: Any, path: YamlPath) -> None:
        fields = self._named_mapping(value, path, ("time_intervals",))
        name = self._text(fields.get("name"), (*path, "name"), "the name of the interval")
        if name in self._intervals:
            raise self._source.error(
                (*path, "name"), f"there are two intervals {_named(name)}; give each its own name."
            )
        self._intervals[name] = ()  # routes may name it, whatever is wrong with it
        self._mapping(fields, path, ("name", "time_intervals"))
        where = (*path, "time_intervals")
        parts = self._list(fields.get("time_intervals"), where)
        self._intervals[name] = tuple(self._interval(part, (*where, i)) for i, part in enumerate(parts))

    def _interval(self, value: Any, path: YamlPath) -> TimeInterval:
        fields = self._mapping(value, path, _TIMES)
        times: list[Range] = []
        for index, item in enumerate(self._list(fields.get("times"), (*path, "times"))):
            where = (*path, "times", index)
            part = self._mapping(item, where, ("start_time", "end_time"))
            times.append(self._checked(where, read_times, part.get("start_time"), part.get("end_time")))
        location = fields.get("location") or "UTC"
        try:
            if location != LOCAL:
                ZoneInfo(str(location))
        except (KeyError, OSError, ValueError):  # none of this name, a folder, or a path
            problem = "there is no such time zone; write one as Europe/Zurich."
            raise self._source.error((*path, "location"), problem) from None
        return TimeInterval(
            times=tuple(times),
            weekdays=self._ranges(fields, path, "weekdays", read_weekdays),
            days_of_month=self._ranges(fields, path, "days_of_month", read_days_of_month),
            months=self._ranges(fields, path, "months", read_months),
            years=self._ranges(fields, path, "years", read_years),
            location=str(location),
        )

    def _ranges(
        self, fields: Mapping[str, Any], path: YamlPath, name: str, read: Callable[[object], Range]
    ) -> tuple[Range, ...]:
        items = self._list(fields.get(name), (*path, name))
        return tuple(self._checked((*path, name, i), read, item) for i, item in enumerate(items))

    def _interval_names(self, fields: Mapping[str, Any], path: YamlPath, key: str) -> tuple[str, ...]:
        items = self._list(fields.get(key), (*path, key))
        names = [self._text(item, (*path, key, i), "the name of an interval") for i, item in enumerate(items)]
        for index, name in enumerate(names):
            if name not in self._intervals:
                known = f"the intervals are {', '.join(self._intervals) or 'none'}."
                raise self._source.error((*path, key, index), f"there is no time interval {_named(name)}; {known}")
        return tuple(names)

    def _duration(
        self, fields: Mapping[str, Any], path: YamlPath, key: str, default: timedelta, *, may_be_zero: bool = True
    ) -> timedelta:
        if fields.get(key) is None:
            return default
        found = self._checked((*path, key), read_duration, fields[key])
        if not found and not may_be_zero:
            raise self._source.error((*path, key), f"{key} must be longer than nothing.")
        return found

    def _flag(self, fields: Mapping[str, Any], path: YamlPath, key: str) -> bool:
        value = fields.get(key)
        if isinstance(value, str) and value.lower() in _WORDS:
            return _WORDS[value.lower()]
        if value is not None and not isinstance(value, bool):
            raise self._source.error((*path, key), f"{key} must be true or false.")
        return bool(value)

    def _mapping(self, value: Any, path: YamlPath, keys: tuple[str, ...] | None) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            what = ".".join(str(step) for step in path) or "the file"
            raise self._source.error(path, f"{what} must be `key: value` lines.")
        for key in value:
            if keys is not None and key not in keys:
                problem = f"there is no key {_named(key)} here; {_nearest(key, keys)}the keys are {', '.join(keys)}."
                raise self._source.error((*path, key), problem)
        return value

    def _named_mapping(self, value: Any, path: YamlPath, keys: tuple[str, ...]) -> Mapping[str, Any]:
        """Read an entry whose keys are checked once its name is known, so that others may name it."""
        is_named = isinstance(value, dict) and "name" in value
        return self._mapping(value, path, None if is_named else ("name", *keys))

    def _list(self, value: Any, path: YamlPath) -> list[Any]:
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._source.error(path, f"{path[-1]} must be a list: lines that begin with `- `.")
        return value

    def _text(self, value: Any, path: YamlPath, what: str) -> str:
        if value is None or value == "":
            raise self._source.error(path, f"{what} is missing.")
        if not isinstance(value, str | int | float):
            raise self._source.error(path, f"{what} must be text.")
        text = self._source.text(path, value)
        if what != "a matcher" and not is_shown_as_is(text):
            raise self._source.error(path, f"{what} must be one line without tabs.")
        return text

    def _checked(self, path: YamlPath, read: Callable[..., T], *given: Any) -> T:
        try:
            return read(*given)
        except UsageError as error:
            raise self._source.error(path, str(error)) from None


def _apart(siblings: list[RouteNode]) -> Iterator[RouteNode]:
    """Give routes with the same matchers different keys: each has groups of its own."""
    n_of: Counter[str] = Counter()
    for node in siblings:
        number = n_of[node.key]
        n_of[node.key] += 1
        yield _rekeyed(node, node.key, f"{node.key}/{number}") if number else node


def _rekeyed(node: RouteNode, old: str, new: str) -> RouteNode:
    routes = tuple(_rekeyed(route, old, new) for route in node.routes)
    return replace(node, key=new + node.key.removeprefix(old), routes=routes)


def _usable(matcher: AlertMatcher) -> AlertMatcher:
    require_usable(matcher)
    return matcher


def _named(text: object) -> str:
    """Quote a name for an error; an address at its place may hold a token, so it is not repeated."""
    return "of this text" if "://" in str(text) else shown(text)


def _braces(matchers: tuple[AlertMatcher, ...]) -> str:
    return "{" + ",".join(map(str, matchers)) + "}"


def _nearest(name: str, names: Any) -> str:
    near = difflib.get_close_matches(name, list(names), n=1)
    return f"did you mean {near[0]}? " if near else ""
