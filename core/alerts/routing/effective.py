"""The configuration that is in force, as a file in Alertmanager's format whose secrets are masked."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from core.alerts.delivery.receivers import with_defaults
from core.alerts.delivery.secret import HIDDEN, may_hold_token
from core.alerts.durations import duration_text
from core.alerts.routing.config import ReceiverBlock, RouteNode, RoutingConfig

_SECRET: Final = re.compile(r"(.*_)?(password|secrets?|token|token_id|credentials|key)")
"""The keys whose values are secret in every kind of receiver; `…_file` names a file, and is none."""
_ADDRESS_OF: Final[Mapping[str, frozenset[str]]] = {
    "slack_configs": frozenset({"api_url"}),
    "discord_configs": frozenset({"webhook_url"}),
    "mattermost_configs": frozenset({"webhook_url"}),
    "msteams_configs": frozenset({"webhook_url"}),
    "msteamsv2_configs": frozenset({"webhook_url"}),
    "incidentio_configs": frozenset({"url"}),
    "global": frozenset({"slack_api_url", "mattermost_webhook_url"}),
}
"""The addresses that are a secret themselves: who knows one can post to it."""
_VALUES_ARE_SECRET: Final = frozenset({"endpoint_params", "http_headers", "proxy_connect_header"})
_VARIABLE: Final = re.compile(r"\$\{\w+\}")


def effective_document(config: RoutingConfig) -> dict[str, Any]:
    """Return a configuration with what routes and receivers take over, and without its secrets.

    Args:
        config: As it was read.
    """
    return _document(config, _SHOWN)


def effective_text(config: RoutingConfig) -> str:
    """Return it as YAML; see `effective_document`."""
    import yaml

    text: str = yaml.safe_dump(effective_document(config), sort_keys=False, allow_unicode=True, width=120)
    return text


def document_without_secrets(config: RoutingConfig) -> dict[str, Any]:
    """Return it so that it can be followed again: an address stays that may stand where others can read it.

    Args:
        config: As it was read.
    """
    return _document(config, _kept(config))


def block_without_secrets(block: ReceiverBlock, config: RoutingConfig) -> tuple[dict[str, Any], bool]:
    """Return a block as `document_without_secrets` holds it, and whether it lacks a secret there.

    Args:
        block: One of its receivers'.
        config: As it was read.
    """
    fields = with_defaults(block.kind, block.fields, config.global_fields)
    left = _kept(config).masked(fields, block.kind)
    return left, block.lacks_secret or left != fields


def _document(config: RoutingConfig, mask: "_Mask") -> dict[str, Any]:
    document: dict[str, Any] = {}
    if config.global_fields:
        document["global"] = mask.masked(config.global_fields, "global")
    document["route"] = _route(config.route, is_root=True)
    document["receivers"] = [{"name": name, **_blocks(name, config, mask)} for name in config.receivers]
    for key in ("inhibit_rules", "time_intervals", "mute_time_intervals"):
        if found := config.written.get(key):
            document[key] = found
    if config.templates:
        document["templates"] = list(config.templates)
    return document


def _blocks(name: str, config: RoutingConfig, mask: "_Mask") -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for block in config.receivers[name].blocks:
        fields = with_defaults(block.kind, block.fields, config.global_fields)
        found.setdefault(block.kind, []).append(mask.masked(fields, block.kind))
    return found


def _route(node: RouteNode, *, is_root: bool = False) -> dict[str, Any]:
    route: dict[str, Any] = {"receiver": node.receiver}
    if node.group_by:
        route["group_by"] = list(node.group_by)
    if not is_root:
        route["matchers"] = [str(matcher) for matcher in node.matchers]
        route["continue"] = node.goes_on
    for key in ("group_wait", "group_interval", "repeat_interval"):
        route[key] = duration_text(getattr(node, key))
    for key in ("mute_time_intervals", "active_time_intervals"):
        if names := getattr(node, key):
            route[key] = list(names)
    if node.routes:
        route["routes"] = [_route(each) for each in node.routes]
    return route


@dataclass(frozen=True, slots=True)
class _Mask:
    """Masks the secrets in fields; what holds none itself, such as `${NAME}`, stays."""

    is_no_secret: Callable[[str], bool]
    """Whether the text of a secret key says nothing that is secret."""
    is_plain_address: Callable[[str], bool]
    """Whether the address of a webhook says nothing that is secret."""

    def masked(self, value: Any, kind: str, key: str = "") -> Any:
        """Return a value with its secrets masked, however deep they stand."""
        if isinstance(value, Mapping):
            inner = {name: self.masked(each, kind, str(name)) for name, each in value.items()}
            if key in _VALUES_ARE_SECRET:
                return {name: self._all_masked(each) for name, each in value.items()}
            return inner
        is_secret = _SECRET.fullmatch(key) is not None or key in _ADDRESS_OF.get(kind, ())
        if is_secret and value not in (None, ""):
            return self._all_masked(value)
        if isinstance(value, list):
            return [self.masked(each, kind, key) for each in value]
        if not isinstance(value, str):
            return value
        if (kind, key) == ("webhook_configs", "url") and not self.is_plain_address(value):
            return _without_path(value)
        return _without_password(value)

    def _all_masked(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: self._all_masked(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self._all_masked(each) for each in value]
        return value if isinstance(value, str) and self.is_no_secret(value) else HIDDEN


def _is_variable(text: str) -> bool:
    return _VARIABLE.fullmatch(text) is not None


def _is_open_address(text: str) -> bool:
    """Whether a text that others can read is an address without what could be a token, variables aside."""
    return not may_hold_token(_VARIABLE.sub("", text))


_SHOWN: Final = _Mask(is_no_secret=_is_variable, is_plain_address=_is_variable)


def _kept(config: RoutingConfig) -> _Mask:
    """Return what masks a configuration in the state: a file that others can read holds no secret but by mistake."""
    if config.is_private:
        return _SHOWN
    return _Mask(
        is_no_secret=lambda text: _is_variable(text) or (_VARIABLE.search(text) is not None and _is_open_address(text)),
        is_plain_address=_is_open_address,
    )


def _without_password(text: str) -> str:
    """Return a text whose password, if it is an address with one, is masked as Go masks it."""
    try:
        address = urlsplit(text)
        if address.password is None:
            return text
    except ValueError:
        return HIDDEN
    host = address.netloc.rpartition("@")[2]
    return address._replace(netloc=f"{address.username}:xxxxx@{host}").geturl()


def _without_path(text: str) -> str:
    """Return the address of a webhook without what may be a token: an Alertmanager 0.25 takes it for an address."""
    if _is_variable(text):
        return text
    try:
        address = urlsplit(_without_password(text))
    except ValueError:
        return HIDDEN
    if not address.netloc:
        return HIDDEN
    has_more = address.path.strip("/") or address.query or address.fragment
    return f"{address.scheme}://{address.netloc}/{HIDDEN if has_more else ''}"
