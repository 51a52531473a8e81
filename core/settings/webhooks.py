"""The `webhooks` block: programs that are told what happens in the registry, in MLflow's payload."""

from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from core.settings.names import Name

WebhookEvent = Literal[
    "registered_model.created",
    "model_version.created",
    "model_version_tag.set",
    "model_version_tag.deleted",
    "model_version_alias.created",
    "model_version_alias.deleted",
]
EVENTS: tuple[str, ...] = get_args(WebhookEvent)
VARIABLE = r"^(?:[A-Za-z_][A-Za-z0-9_]{0,127})?(?![\s\S])"
_VARIABLE_FORM = "the name of an environment variable: letters, digits and _; the secret itself has no place here"


class WebhookSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A program that is told what happens in the registry."""

    name: Annotated[Name, Meta(description="Its name in lists and commands.")]
    url: Annotated[
        Annotated[str, Meta(max_length=2048)],
        Meta(description="Where events are posted; http or https, no user.", extra={"holds_secrets": True}),
    ]
    events: Annotated[
        Annotated[tuple[WebhookEvent, ...], Meta(min_length=1)], Meta(description="The events it is told.")
    ] = ("registered_model.created", "model_version.created")
    secret_env: Annotated[
        str,
        Meta(
            pattern=VARIABLE,
            description="The environment variable with the secret that signs its events.",
            extra={"form_of_text": _VARIABLE_FORM, "holds_secrets": True},
        ),
    ] = ""
    secret_file: Annotated[
        str,
        Meta(
            max_length=4096,
            description="The file with that secret, which no other account may read; relative to the workspace.",
            extra={"holds_secrets": True},
        ),
    ] = ""
    status: Annotated[
        Literal["ACTIVE", "DISABLED"], Meta(description="DISABLED: it is told nothing, and its events are not kept.")
    ] = "ACTIVE"

    def __post_init__(self) -> None:
        try:
            url = urlsplit(self.url)
            is_whole = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
        except ValueError:
            is_whole = False
        if not is_whole or not self.url.isascii() or not self.url.isprintable() or " " in self.url:
            raise ValueError("url must be a whole URL such as https://ci.example.com/hooks/mlflow")
        if url.username is not None or url.password is not None:
            raise ValueError("url must not hold a user or a password: sign the events with secret_env or secret_file")
        if self.secret_env and self.secret_file:
            raise ValueError("secret_env and secret_file exclude each other: leave one out")

    @property
    def place(self) -> str:
        """The URL as lists show it: a query often holds a key, so it stays out."""
        return self.url.partition("?")[0] + ("?…" if "?" in self.url else "")
