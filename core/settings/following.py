"""The part of the `serving` block by which a server is a replica: what it follows, and for how long without it."""

from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from core.settings.webhooks import VARIABLE

_FILE = 4096
EVERY_SECONDS, MOST_SECONDS = 5.0, 3600.0


class FollowSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The control API that a replica follows; the workspace of the replica holds nothing else."""

    url: Annotated[
        Annotated[str, Meta(max_length=2048)],
        Meta(
            description="The server of the workspace to follow, such as https://desk:8501.",
            extra={"holds_secrets": True},
        ),
    ]
    token_env: Annotated[
        str,
        Meta(
            pattern=VARIABLE,
            description="The environment variable with the token for it.",
            extra={
                "form_of_text": "the name of an environment variable: letters, digits and _; the token itself has no "
                "place here",
                "holds_secrets": True,
            },
        ),
    ] = ""
    token_file: Annotated[
        str,
        Meta(
            max_length=_FILE,
            description="The file with that token, which no other account may read; relative to the workspace.",
            extra={"holds_secrets": True},
        ),
    ] = ""
    authority: Annotated[
        str,
        Meta(
            max_length=_FILE, description="The certificate authority of its certificate, PEM; by default the system's."
        ),
    ] = ""
    certificate: Annotated[
        str, Meta(max_length=_FILE, description="The certificate that this replica shows (mutual TLS), PEM.")
    ] = ""
    key: Annotated[
        str, Meta(max_length=_FILE, description="The key of that certificate, PEM.", extra={"holds_secrets": True})
    ] = ""
    public_key: Annotated[
        str,
        Meta(
            max_length=_FILE,
            description="Its keys/model-signing.pub: only versions whose files it has signed are taken; after a "
            "rotation with its former keys behind it in the same file. Empty: their hashes alone are checked.",
        ),
    ] = ""
    every_seconds: Annotated[float, Meta(ge=0.1, le=MOST_SECONDS, description="How often to ask for changes.")] = (
        EVERY_SECONDS
    )
    serve_on_hours: Annotated[
        Annotated[float, Meta(ge=0, le=87_600)] | None,
        Meta(description="How long to serve on while it cannot be reached; null: without end."),
    ] = 24.0
    send_mib: Annotated[
        float,
        Meta(
            ge=0, le=100_000, description="Room for predictions and outcomes that wait to be sent to it, MiB; 0: none."
        ),
    ] = 256.0

    @property
    def token_key(self) -> str:
        """The key that says where the token is."""
        return f"serving.follow.{'token_env' if self.token_env else 'token_file'}"

    def __post_init__(self) -> None:
        try:
            url = urlsplit(self.url)
            is_whole = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
        except ValueError:
            is_whole = False
        if not is_whole or not self.url.isascii() or not self.url.isprintable() or " " in self.url:
            raise ValueError("url must be a whole URL such as https://desk:8501")
        if url.username is not None or url.password is not None:
            raise ValueError("url must not hold a user or a password: give the token by token_file or token_env")
        if self.token_env and self.token_file:
            raise ValueError("token_env and token_file exclude each other: leave one out")
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate and key go together: give both, or none")
