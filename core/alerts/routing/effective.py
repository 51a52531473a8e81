"""The configuration that is in force, as a file in Alertmanager's format whose secrets are masked."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

from core.alerts.delivery.block_keys import needed_fields
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
_WORDS: Final = frozenset({"details", "headers"})
"""What the addressee of a message reads: secret under the name of a secret, unless templates alone stand there."""
_TEMPLATE: Final = re.compile(r"""(\{\{[^{}"'`]*\}\}|\W)*""")
_VARIABLE: Final = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_ACCOUNT: Final = re.compile(rf"{_VARIABLE.pattern}(:{_VARIABLE.pattern})?")
_PARAMETER: Final = rf"[A-Za-z_.-]{{1,15}}={_VARIABLE.pattern}"
_WHOLE_PARTS: Final = (
    (re.compile(rf"^{_VARIABLE.pattern}(?=://)"), "https"),
    (re.compile(rf"^(?={_VARIABLE.pattern}([/?]|:[0-9]{{1,5}}(/|$)))"), "https://"),
    (re.compile(rf"(?<=://){_ACCOUNT.pattern}@"), ""),
    (re.compile(rf"\?{_PARAMETER}(&{_PARAMETER})*$"), ""),
)
"""The parts of an address that a variable stands for as a whole, with what an address without them has there."""
_MASKED: Final = "xxxxx"


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


def needs_masked_secret(block: ReceiverBlock, config: RoutingConfig) -> bool:
    """Whether the messages of a block cannot be sent by what `document_without_secrets` holds of it.

    Args:
        block: One of its receivers'.
        config: As it was read.
    """
    fields = with_defaults(block.kind, block.fields, config.global_fields)
    left = _kept(config).masked(fields, block.kind)
    return block.lacks_secret or needed_fields(block.kind, left) != needed_fields(block.kind, fields)


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

    is_open_address: Callable[[str], bool]
    """Whether the address of a webhook says nothing that is secret."""
    is_open_secret: Callable[[str], bool]
    """The same of an address that is a secret itself."""
    names_accounts: bool
    """Whether the account before a masked password stands, as Go has it."""

    def masked(self, value: Any, kind: str, key: str = "") -> Any:
        """Return a value with its secrets masked, however deep they stand."""
        if isinstance(value, Mapping):
            if key in _VALUES_ARE_SECRET:
                return {name: _all_masked(each, _is_variables) for name, each in value.items()}
            return {
                name: each if key in _WORDS and _is_template(each) else self.masked(each, kind, str(name))
                for name, each in value.items()
            }
        if value not in (None, ""):
            if _SECRET.fullmatch(key) is not None:
                return _all_masked(value, _is_variables)
            if key in _ADDRESS_OF.get(kind, ()):
                return _all_masked(value, self.is_open_secret)
        if isinstance(value, list):
            return [self.masked(each, kind, key) for each in value]
        if not isinstance(value, str):
            return value
        if (kind, key) == ("webhook_configs", "url") and not self.is_open_address(value):
            return _without_path(value, names_accounts=self.names_accounts)
        return _without_account(value, is_named=self.names_accounts)


def _all_masked(value: Any, is_open: Callable[[str], bool]) -> Any:
    if isinstance(value, Mapping):
        return {name: _all_masked(each, is_open) for name, each in value.items()}
    if isinstance(value, list):
        return [_all_masked(each, is_open) for each in value]
    return value if isinstance(value, str) and is_open(value) else HIDDEN


def _is_template(value: Any) -> bool:
    """Whether a value is a text of templates that say nothing themselves.

    >>> [_is_template(text) for text in ("{{ .GroupLabels.model }}", "{{ .A }}/{{ .B }}", 'x{{ .A }}', '{{ "x" }}')]
    [True, True, False, False]
    """
    return isinstance(value, str) and _TEMPLATE.fullmatch(value) is not None


def _is_variables(text: str) -> bool:
    return re.fullmatch(f"({_VARIABLE.pattern})+", text) is not None


def _is_open_address(text: str) -> bool:
    """Whether a text is an address without what could be a token, its variables aside."""
    return _is_variables(text) or not may_hold_token(_besides_variables(text))


def _is_open_with_variables(text: str) -> bool:
    """The same of a text that may be a secret: without a variable, it is one."""
    return _VARIABLE.search(text) is not None and _is_open_address(text)


def _besides_variables(text: str) -> str:
    """Return an address whose variables are a sign that is in no token, or gone where they are a whole secret.

    >>> [_besides_variables(each) for each in ("${A}/x", "${A}://b", "https://${A}:${B}@c/${D}?e=${F}", "${A}b")]
    ['https://_/x', 'https://b', 'https://c/_', '_b']
    """
    for pattern, instead in _WHOLE_PARTS:
        text = pattern.sub(instead, text)
    return _VARIABLE.sub("_", text)


_SHOWN: Final = _Mask(is_open_address=_is_variables, is_open_secret=_is_variables, names_accounts=True)
_KEPT: Final = _Mask(is_open_address=_is_open_address, is_open_secret=_is_open_with_variables, names_accounts=False)
_KEPT_OF_PRIVATE: Final = replace(_KEPT, is_open_address=_is_open_with_variables)


def _kept(config: RoutingConfig) -> _Mask:
    """Return what masks a configuration in the state: a file that others can read holds no secret but by mistake."""
    return _KEPT_OF_PRIVATE if config.is_private else _KEPT


def _without_account(text: str, *, is_named: bool) -> str:
    """Return a text whose password, if it is an address with one, is masked as Go masks it; a lone account is, too.

    Args:
        text: Any text.
        is_named: Whether the account before a password stands.
    """
    found = re.match(r"\s*\S*", text)
    head, rest = (text, "") if found is None else (found[0], text[found.end() :])
    try:
        address = urlsplit(head)
        account, sign, host = address.netloc.rpartition("@")
    except ValueError:
        return HIDDEN
    if not sign or _ACCOUNT.fullmatch(account):
        return text
    name, _, password = account.partition(":")
    masked = f"{name}:{_MASKED}" if is_named and password else _MASKED
    return address._replace(netloc=f"{masked}@{host}").geturl() + rest


def _without_path(text: str, *, names_accounts: bool) -> str:
    """Return the address of a webhook without what may be a token: an Alertmanager 0.25 takes it for an address."""
    try:
        address = urlsplit(_without_account(text, is_named=names_accounts))
    except ValueError:
        return HIDDEN
    if not address.netloc:
        return HIDDEN
    has_more = address.path.strip("/") or address.query or address.fragment
    return f"{address.scheme}://{address.netloc}/{HIDDEN if has_more else ''}"
