"""The `webhooks` block: programs that are told what happens, as MLflow or as OpenLineage lays it out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from core.settings.names import Name

RegistryEventName = Literal[
    "registered_model.created",
    "model_version.created",
    "model_version_tag.set",
    "model_version_tag.deleted",
    "model_version_alias.created",
    "model_version_alias.deleted",
]
LineageKind = Literal["session", "registration", "rollout", "promotion"]
WebhookFormat = Literal["mlflow", "openlineage"]
EVENTS: Mapping[WebhookFormat, tuple[str, ...]] = {
    "mlflow": get_args(RegistryEventName),
    "openlineage": get_args(LineageKind),
}
_USUAL: Mapping[WebhookFormat, tuple[str, ...]] = {
    **EVENTS,
    "mlflow": ("registered_model.created", "model_version.created"),
}
VARIABLE = r"^(?:[A-Za-z_][A-Za-z0-9_]{0,127})?(?![\s\S])"
_VARIABLE_FORM = "the name of an environment variable: letters, digits and _; the secret itself has no place here"


class WebhookSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A program that is told what happens, or a file that it is written to."""

    name: Annotated[Name, Meta(description="Its name in lists and commands.")]
    url: Annotated[
        Annotated[str, Meta(max_length=2048)],
        Meta(description="Where events are posted; http or https, no user.", extra={"holds_secrets": True}),
    ] = ""
    format: Annotated[
        WebhookFormat,
        Meta(description="`mlflow`: events of the registry; `openlineage`: runs of sessions, rollouts and promotions."),
    ] = "mlflow"
    file: Annotated[
        Annotated[str, Meta(max_length=4096)],
        Meta(description="With openlineage, instead of `url`: the file that gets a line for each event."),
    ] = ""
    namespace: Annotated[
        Annotated[
            str, Meta(pattern=r"^[!-~]{1,255}(?![\s\S])", extra={"form_of_text": "printable ASCII without spaces"})
        ],
        Meta(description="With openlineage: the namespace of jobs and data sets."),
    ] = "bondx"
    events: Annotated[
        Annotated[tuple[RegistryEventName | LineageKind, ...], Meta(min_length=1)] | None,
        Meta(description="The events it is told; by default the two of new versions, or all of openlineage."),
    ] = None
    secret_env: Annotated[
        str,
        Meta(
            pattern=VARIABLE,
            description="The environment variable with the secret that signs its events; with openlineage, the token.",
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
        wrong = [event for event in self.events or () if event not in EVENTS[self.format]]
        if wrong:
            raise ValueError(f"{wrong[0]} is no event of {self.format}: choose of {', '.join(EVENTS[self.format])}")
        if self.file:
            self._require_file()
        else:
            self._require_url()
        if self.secret_env and self.secret_file:
            raise ValueError("secret_env and secret_file exclude each other: leave one out")

    def _require_file(self) -> None:
        if self.format != "openlineage" or self.url:
            raise ValueError("file goes with `format: openlineage`, and without a url")
        if self.secret_env or self.secret_file:
            raise ValueError("a file needs no secret: leave secret_env and secret_file out")
        if "\0" in self.file or not self.path.is_absolute():
            raise ValueError("file must be a whole path such as /var/log/bondx/lineage.jsonl")

    def _require_url(self) -> None:
        try:
            url = urlsplit(self.url)
            is_whole = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
        except ValueError:
            is_whole = False
        if not is_whole or not self.url.isascii() or not self.url.isprintable() or " " in self.url:
            raise ValueError("url must be a whole URL such as https://ci.example.com/hooks/mlflow")
        if url.username is not None or url.password is not None:
            raise ValueError("url must not hold a user or a password: sign the events with secret_env or secret_file")

    @property
    def told(self) -> tuple[str, ...]:
        """The events that it is told."""
        return self.events or _USUAL[self.format]

    @property
    def path(self) -> Path:
        """The file that it is written to."""
        return Path(self.file)

    @property
    def place(self) -> str:
        """The file, or the URL as lists show it: a query often holds a key, so it stays out."""
        return self.file or self.url.partition("?")[0] + ("?…" if "?" in self.url else "")
