"""From configuration to channels: the blocks of the routing file, and the channels of `alerts.channels`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from core.alerts.alert import Alert
from core.alerts.delivery.channel import Channel
from core.alerts.delivery.errors import DeliveryError
from core.alerts.delivery.message import RoutedNotification
from core.alerts.delivery.outbox import ChannelTarget
from core.alerts.delivery.secret import Secrets
from core.clock import Clock, utc_now
from core.errors import NotFoundError
from core.escape import shown
from core.promql.template_reading import NO_LIBRARY, TemplateLibrary
from core.settings import AlertSettings

if TYPE_CHECKING:
    from core.state import Workspace

CONSOLES: Final = "consoles"
"""The receiver that every workspace has: a line in each attached console."""

_GLOBAL: Final[Mapping[str, Mapping[str, str]]] = {
    "email_configs": {
        "smtp_from": "from",
        "smtp_smarthost": "smarthost",
        "smtp_hello": "hello",
        "smtp_auth_username": "auth_username",
        "smtp_auth_password": "auth_password",
        "smtp_auth_password_file": "auth_password_file",
        "smtp_auth_secret": "auth_secret",
        "smtp_auth_secret_file": "auth_secret_file",
        "smtp_require_tls": "require_tls",
        "smtp_tls_config": "tls_config",
        "smtp_force_implicit_tls": "force_implicit_tls",
    },
    "slack_configs": {
        "slack_api_url": "api_url",
        "slack_api_url_file": "api_url_file",
        "slack_app_token": "app_token",
        "slack_app_token_file": "app_token_file",
        "slack_app_url": "app_url",
    },
    "pagerduty_configs": {"pagerduty_url": "url"},
}
"""The fields of `global` that a block of each kind takes over."""


class ReceiverBlockLike(Protocol):
    """What delivery reads of a receiver's block."""

    @property
    def kind(self) -> str:
        """The key in the file, such as `webhook_configs`."""

    @property
    def fields(self) -> Mapping[str, Any]:
        """The values as they are written."""

    @property
    def place(self) -> str:
        """File, line and column."""

    @property
    def lacks_secret(self) -> bool:
        """Whether a secret of it is not known, because it stood in a file that cannot be used now."""


class ReceiverLike(Protocol):
    """What delivery reads of a receiver."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def blocks(self) -> Sequence[ReceiverBlockLike]:
        """Its blocks, in the order of the file."""


class RoutingFile(Protocol):
    """What delivery reads of `core.alerts.routing.RoutingConfig`."""

    @property
    def file(self) -> Path:
        """Where it stands; the paths of secrets begin at its folder."""

    @property
    def is_private(self) -> bool:
        """Whether its owner alone could read the file, so that it may hold secrets itself."""

    @property
    def receivers(self) -> Mapping[str, ReceiverLike]:
        """The receivers by name."""

    @property
    def global_fields(self) -> Mapping[str, Any]:
        """The block `global`."""

    @property
    def library(self) -> TemplateLibrary:
        """The templates that its receivers may call."""

    @property
    def unmatched(self) -> Sequence[str]:
        """The places of patterns of templates that name no file."""


class RoutingSource(Protocol):
    """What decides who is told: the routing file with its dispatcher."""

    @property
    def config(self) -> RoutingFile | None:
        """The routing file as it is now; None without one."""

    def dispatch(self, alerts: Sequence[Alert], now: datetime) -> tuple[Sequence[RoutedNotification], datetime | None]:
        """Decide on the notifications that are due, and note them as told.

        Called within a transaction of the database of the notifications, in which they are queued: both are durable
        together, or neither is.

        Args:
            alerts: Every alert.
            now: The time.

        Returns:
            The notifications, and when to ask again at the latest; None if only a change of an alert matters.
        """


@dataclass(frozen=True, slots=True)
class ConfiguredChannel:
    """A channel of a receiver: its name, and how it is made for one attempt."""

    target: ChannelTarget
    make: Callable[[], Channel] = field(compare=False)
    sends_resolved: bool = True
    tracks_incidents: bool = False
    is_ours: bool = True  # else BondX sends nothing of this kind by itself
    place: str = ""  # of its block
    lacks_secret: bool = False  # see `ReceiverBlock`

    @property
    def hears_acknowledgements(self) -> bool:
        """Whether it is told that somebody took an alert: Alertmanager's JSON has no words for it."""
        return self.target.kind != "webhook"


class Receivers:
    """Every receiver with its channels. Making it reads no secret and opens no connection."""

    def __init__(
        self,
        workspace: "Workspace",
        settings: AlertSettings,
        routing: RoutingFile | None = None,
        *,
        secrets: Callable[..., Secrets] = Secrets,
        clock: Clock = utc_now,
    ) -> None:
        """Read the configuration.

        Args:
            workspace: The workspace; its consoles are a receiver.
            settings: The `alerts` block.
            routing: The routing file, if there is one.
            secrets: What reads the secrets of a channel.
            clock: The time.
        """
        self._workspace = workspace
        self._secrets = secrets
        self._clock = clock
        self._has_alertmanager = bool(settings.alertmanagers)
        self._fallover = frozenset(settings.delivery.fallover)
        self._is_private = routing is not None and routing.is_private
        self._library = NO_LIBRARY if routing is None else routing.library
        self._base = workspace.root if routing is None else routing.file.parent
        self.unsent: set[str] = set()
        """The receivers to which BondX sends nothing: their blocks are left to an Alertmanager."""
        self._channels: dict[str, tuple[ConfiguredChannel, ...]] = {}
        receivers = dict(routing.receivers) if routing is not None else {}
        for name in dict.fromkeys((*receivers, *settings.channels)):
            own = settings.channels.get(name, [])
            blocks = receivers[name].blocks if name in receivers else ()
            found = [
                *self._of_blocks(name, blocks, routing.global_fields if routing else {}, may_skip=bool(own)),
                *self._of_addresses(name, own),
            ]
            self._channels[name] = tuple(found)
            if blocks and not found:
                self.unsent.add(name)
        if CONSOLES not in self._channels:
            self._channels[CONSOLES] = tuple(self._of_addresses(CONSOLES, ["console:"]))

    def names(self) -> list[str]:
        """Return the receivers, in the order of the files; the consoles last."""
        return list(self._channels)

    def channels(self, receiver: str) -> tuple[ConfiguredChannel, ...]:
        """Return the channels of a receiver; none of one that is unknown."""
        return self._channels.get(receiver, ())

    def get(self, receiver: str) -> tuple[ConfiguredChannel, ...]:
        """Return the channels of a receiver.

        Raises:
            NotFoundError: There is no such receiver; the message lists all.
        """
        if receiver not in self._channels:
            raise NotFoundError(f"There is no receiver {shown(receiver)}. The receivers are {', '.join(self.names())}.")
        return self._channels[receiver]

    def is_alternative(self, receiver: str) -> bool:
        """Whether the channels of a receiver replace each other, instead of being used together."""
        return receiver in self._fallover or "*" in self._fallover

    def find(self, channel: str) -> ConfiguredChannel | None:
        """Return the channel with a name, or None."""
        return next((found for found in self.all() if found.target.channel == channel), None)

    def all(self) -> Iterator[ConfiguredChannel]:
        """Yield every channel."""
        for channels in self._channels.values():
            yield from channels

    def _of_blocks(
        self, receiver: str, blocks: Sequence[ReceiverBlockLike], defaults: Mapping[str, Any], *, may_skip: bool
    ) -> Iterator[ConfiguredChannel]:
        counts: dict[str, int] = {}
        for block in blocks:
            kind = KINDS_SENT.get(block.kind)
            if kind is None and (may_skip or self._has_alertmanager):
                continue  # an address in `alerts.channels` stands for it, or an Alertmanager sends it
            name = kind or block.kind.removesuffix("_configs")
            counts[name] = counts.get(name, 0) + 1
            fields = with_defaults(block.kind, block.fields, defaults)
            yield ConfiguredChannel(
                ChannelTarget(receiver, f"{receiver}/{name} {counts[name]}", name),
                self._maker_of_block(name, fields, block) if kind else _refuses(name, block.place),
                sends_resolved=bool(fields.get("send_resolved", True)),
                tracks_incidents=name == "pagerduty",
                is_ours=kind is not None,
                place=block.place,
                lacks_secret=block.lacks_secret,
            )

    def _maker_of_block(self, kind: str, fields: Mapping[str, Any], block: ReceiverBlockLike) -> Callable[[], Channel]:
        if block.lacks_secret:
            return _waits_for_its_secret(block.place)
        return self._maker(kind, fields, block.place)

    def _maker(self, kind: str, fields: Mapping[str, Any], place: str) -> Callable[[], Channel]:
        based = {name: self._absolute(name, text) for name, text in fields.items()}

        def make() -> Channel:
            try:
                secrets = self._secrets(place=place, is_private=self._is_private)
                return _channel(kind, based, secrets, place, self._library)
            except (AttributeError, KeyError, TypeError, ValueError):  # such as a text in place of a block
                raise DeliveryError(f"{place}: a value of this block has the wrong form for {kind}_configs.") from None

        return make

    def _absolute(self, name: str, text: Any) -> Any:
        """Let the path of a file begin at the folder of the routing file, as Alertmanager does."""
        if isinstance(text, Mapping):
            return {inner: self._absolute(inner, each) for inner, each in text.items()}
        if name.endswith("_file") and isinstance(text, str) and text and not text.startswith(("/", "~")):
            return str(self._base / text)
        return text

    def _of_addresses(self, receiver: str, addresses: Sequence[str]) -> Iterator[ConfiguredChannel]:
        counts: dict[str, int] = {}
        for address in addresses:
            kind, _, rest = address.partition(":")
            counts[kind] = counts.get(kind, 0) + 1
            target = ChannelTarget(receiver, f"{receiver}/{kind} {counts[kind]}", kind)
            yield ConfiguredChannel(target, self._maker_of_address(kind, rest, f"alerts.channels of {receiver}"))

    def _maker_of_address(self, kind: str, rest: str, place: str) -> Callable[[], Channel]:
        def make() -> Channel:
            if kind in ("console", "bell"):
                from core.alerts.delivery.channels.console_line import ConsoleChannel

                return ConsoleChannel(self._workspace, rings=kind == "bell", clock=self._clock)
            if kind == "tmux":
                from core.alerts.delivery.channels.tmux import TmuxChannel

                return TmuxChannel(rest)
            if kind == "apprise":
                from core.alerts.delivery.channels.apprise_url import AppriseChannel

                secrets = self._secrets(place=place, is_private=False)
                url = secrets.file(rest, "apprise") if rest.startswith(("/", "~")) else secrets.text(rest, "apprise")
                return AppriseChannel(url, secrets, place)
            raise DeliveryError(f"{place}: {shown(kind)} is no channel: use console:, bell:, tmux: or apprise:.")

        return make


def _channel(kind: str, fields: Mapping[str, Any], secrets: Secrets, place: str, library: TemplateLibrary) -> Channel:
    if kind == "webhook":
        from core.alerts.delivery.channels.webhook import WebhookChannel

        return WebhookChannel(fields, secrets, place)
    if kind == "email":
        from core.alerts.delivery.channels.email import EmailChannel

        return EmailChannel(fields, secrets, place, library)
    if kind == "slack":
        from core.alerts.delivery.channels.slack import SlackChannel

        return SlackChannel(fields, secrets, place, library)
    if kind == "pagerduty":
        from core.alerts.delivery.channels.pagerduty import PagerDutyChannel

        return PagerDutyChannel(fields, secrets, place, library)
    from core.alerts.delivery.channels.teams import TeamsChannel

    return TeamsChannel(fields, secrets, place)


KINDS_SENT: Final[Mapping[str, str]] = {
    "webhook_configs": "webhook",
    "email_configs": "email",
    "slack_configs": "slack",
    "pagerduty_configs": "pagerduty",
    "msteams_configs": "teams",
    "msteamsv2_configs": "teams",
}


def _refuses(kind: str, place: str) -> Callable[[], Channel]:
    def make() -> Channel:
        raise DeliveryError(
            f"{place}: BondX sends no {kind} by itself: give the receiver an apprise: address in alerts.channels, or "
            "name an Alertmanager in alerts.alertmanagers."
        )

    return make


def _waits_for_its_secret(place: str) -> Callable[[], Channel]:
    def make() -> Channel:
        raise DeliveryError(
            f"{place}: its secret, or an address that may hold one, stood in the routing file, which cannot be used "
            "now, and is not kept elsewhere: correct the file within alerts.delivery.retry_hours, and this is sent."
        )

    return make


def with_defaults(kind: str, fields: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Lay a block over what `global` says for its kind; a block's own `…_file` replaces a secret of `global`."""
    merged: dict[str, Any] = {}
    for name, own in _GLOBAL.get(kind, {}).items():
        base = own.removesuffix("_file")
        if defaults.get(name) not in (None, "") and not (fields.get(base) or fields.get(f"{base}_file")):
            merged[own] = defaults[name]
    if defaults.get("http_config") and kind != "email_configs":
        merged["http_config"] = defaults["http_config"]
    return {**merged, **fields}
