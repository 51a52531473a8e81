"""The keys that a receiver's block may have in Alertmanager 0.34, and which of them BondX acts on."""

import difflib
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from core.escape import shown

_COMMON: Final = "send_resolved http_config"
_USED: Final[Mapping[str, frozenset[str]]] = {
    kind: frozenset(f"{_COMMON} {keys}".split())
    for kind, keys in {
        "webhook_configs": "url url_file max_alerts",
        "email_configs": "to from smarthost hello auth_username auth_password auth_password_file auth_secret "
        "auth_secret_file require_tls tls_config force_implicit_tls headers",
        "slack_configs": "api_url api_url_file app_token app_token_file app_url channel username icon_emoji icon_url",
        "pagerduty_configs": "routing_key routing_key_file service_key service_key_file url source client client_url "
        "description severity details images links component group class",
        "msteams_configs": "webhook_url webhook_url_file",
        "msteamsv2_configs": "webhook_url webhook_url_file",
    }.items()
}
_OTHER: Final[Mapping[str, frozenset[str]]] = {
    kind: frozenset(keys.split())
    for kind, keys in {
        "webhook_configs": "timeout payload",
        "email_configs": "auth_identity html text threading",
        "slack_configs": "link_names actions callback_id color fallback fields footer mrkdwn_in pretext short_fields "
        "text title title_link image_url thumb_url message_text update_message timeout",
        "pagerduty_configs": "timeout",
        "msteams_configs": "title summary text",
        "msteamsv2_configs": "title text",
    }.items()
}
_HTTP_USED: Final = frozenset(
    {"basic_auth", "authorization", "bearer_token", "bearer_token_file", "oauth2", "proxy_url", "tls_config"}
    | {"follow_redirects"}
)
_HTTP_OTHER: Final = frozenset(
    {"enable_http2", "no_proxy", "proxy_from_environment", "proxy_connect_header", "http_headers"}
)
_WORDS: Final = frozenset(
    {"headers", "username", "icon_emoji", "icon_url", "source", "client", "client_url", "description", "severity"}
    | {"details", "images", "links", "component", "group", "class"}
)
"""The used keys that only word a message: it is sent without them, too."""
_TLS_USED: Final = frozenset({"ca_file", "cert_file", "key_file", "insecure_skip_verify"})
_USED_WITHIN: Final[Mapping[str, frozenset[str]]] = {"http_config": _HTTP_USED, "tls_config": _TLS_USED}
_HARMLESS: Final = frozenset({"enable_http2"})


def needed_fields(kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a block without which BondX cannot send its messages; none of a kind that it does not send.

    Args:
        kind: The key of the block in its receiver.
        fields: The block.
    """
    return _only(fields, _USED.get(kind, frozenset()) - _WORDS)


def _only(fields: Mapping[str, Any], keys: Collection[str]) -> dict[str, Any]:
    return {
        key: _only(value, _USED_WITHIN[key]) if key in _USED_WITHIN and isinstance(value, Mapping) else value
        for key, value in fields.items()
        if key in keys
    }


def unknown_key(kind: str, fields: Mapping[str, Any]) -> str | None:
    """Say which key of a block no Alertmanager knows; None if there is none, or BondX does not send the kind.

    Args:
        kind: The key of the block in its receiver, such as `slack_configs`.
        fields: The block.
    """
    if kind not in _USED:
        return None
    of_http = fields.get("http_config")
    for where, given, keys in (
        ("", fields, _USED[kind] | _OTHER[kind]),
        ("http_config.", of_http if isinstance(of_http, Mapping) else {}, _HTTP_USED | _HTTP_OTHER),
    ):
        for key in given:
            if key not in keys:
                near = difflib.get_close_matches(key, sorted(keys), n=1)
                named = "of this text" if "://" in key else shown(f"{where}{key}")
                return f"there is no key {named} in {kind}{f'; did you mean {near[0]}?' if near else '.'}"
    return None


def unused_keys(kind: str, fields: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys of a block that BondX does not act on.

    Args:
        kind: The key of the block in its receiver.
        fields: The block.
    """
    for key in fields:
        if key in _OTHER.get(kind, ()):
            yield key
    of_http = fields.get("http_config")
    of_http = of_http if isinstance(of_http, Mapping) else {}
    for key in of_http:
        if key in _HTTP_OTHER - _HARMLESS:
            yield f"http_config.{key}"
    for where, given in (("tls_config", fields), ("http_config.tls_config", of_http)):
        tls = given.get("tls_config")
        yield from (f"{where}.{key}" for key in (tls if isinstance(tls, Mapping) else ()) if key not in _TLS_USED)
