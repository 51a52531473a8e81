"""OAuth 2.0, client credentials: the token that `http_config.oauth2` asks for, kept until it runs out.

Source:
    RFC 6749, sections 2.3.1 and 4.4. As the library of Alertmanager does, the client names itself in the header first,
    and in the body if the server refuses that.
"""

import math
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus

import msgspec

from core.alerts.delivery.errors import DeliveryError
from core.alerts.delivery.retry_after import retry_after_seconds
from core.alerts.delivery.secret import Secret, Secrets
from core.escape import escaped
from core.json_documents import decode_json

if TYPE_CHECKING:
    import httpx

_MARGIN_SECONDS: Final = 10.0
_MOST_SECONDS: Final = 86_400.0
"""A token is asked for anew each day, whatever its server says."""
_HEADER: Final = re.compile(r"[!-~]+ [!-~]+")
_MOST_BYTES: Final = 64 << 10
_MOST_KEPT: Final = 200


class _Answer(msgspec.Struct):
    access_token: str = ""
    token_type: str = "Bearer"
    expires_in: float | str | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentials:
    """The block `oauth2`, with its secrets."""

    client: str
    secret: Secret
    token_url: Secret
    scopes: tuple[str, ...]
    parameters: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, fields: Mapping[str, Any], secrets: Secrets, place: str) -> "ClientCredentials | None":
        """Read the block; None without one.

        Args:
            fields: The value of `oauth2`.
            secrets: Reads what is secret.
            place: Where it stands, for errors.
        Raises:
            DeliveryError: A field is missing, a secret cannot be read, or the address is none.
        """
        if not fields:
            return None
        client = secrets.field(fields, "client_id", is_secret=False)
        secret = secrets.field(fields, "client_secret")
        url = secrets.address(fields, "token_url", is_secret=False)
        if client is None or secret is None or url is None:
            raise DeliveryError(
                f"{place}: oauth2 needs client_id, client_secret (or client_secret_file) and token_url."
            )
        return cls(
            client=client.reveal(),
            secret=secret,
            token_url=url,
            scopes=tuple(map(str, fields.get("scopes") or ())),
            parameters=tuple((str(name), str(text)) for name, text in (fields.get("endpoint_params") or {}).items()),
        )

    @property
    def _key(self) -> tuple[object, ...]:
        return (self.client, self.secret.reveal(), self.token_url.reveal(), self.scopes, self.parameters)

    def is_kept(self) -> bool:
        """Whether a token is kept, which an earlier message asked for."""
        with _lock:
            kept = _tokens.get(self._key)
        return kept is not None and kept[1] > time.monotonic()

    def authorization(self, client: "httpx.Client", secrets: Secrets, timeout_seconds: float) -> Secret:
        """Return the value of the header `Authorization`.

        Args:
            client: Sends the request for a token, if none is kept.
            secrets: Hides the token in whatever is said.
            timeout_seconds: How long the request may take.
        Raises:
            DeliveryError: The server gives no token.
        """
        with _lock:
            kept = _tokens.get(self._key)
        if kept is not None and kept[1] > time.monotonic():
            return secrets.keep(kept[0])
        answer = self._asked(client, secrets, time.monotonic() + timeout_seconds)
        if not _HEADER.fullmatch(f"{answer.token_type} {answer.access_token}"):
            secrets.keep(answer.access_token)
            raise DeliveryError("The server of token_url gives a token that no header can hold.")
        kind = answer.token_type if answer.token_type.lower() != "bearer" else "Bearer"
        value = f"{kind} {answer.access_token}"
        try:
            seconds = float(answer.expires_in or 0)
        except ValueError:
            seconds = 0.0
        seconds = min(seconds, _MOST_SECONDS) if math.isfinite(seconds) else 0.0
        with _lock:
            if len(_tokens) >= _MOST_KEPT:
                _tokens.clear()
            _tokens[self._key] = (value, time.monotonic() + seconds - _MARGIN_SECONDS)
        secrets.keep(answer.access_token)
        return secrets.keep(value)

    def forget(self) -> None:
        """Forget the token: the receiver refused it."""
        with _lock:
            _tokens.pop(self._key, None)

    def _asked(self, client: "httpx.Client", secrets: Secrets, deadline: float) -> _Answer:
        form = {"grant_type": "client_credentials", **dict(self.parameters)}
        if self.scopes:
            form["scope"] = " ".join(self.scopes)
        # RFC 6749 wants both encoded as in a form before they are in the header.
        named = (quote_plus(self.client), quote_plus(self.secret.reveal()))
        answer = self._posted(client, form, named, deadline)
        if not answer.access_token:
            inside = {**form, "client_id": self.client, "client_secret": self.secret.reveal()}
            answer = self._posted(client, inside, None, deadline)
        if not answer.access_token:
            said = secrets.hide(escaped(answer.error))[:200]
            raise DeliveryError(f"The server of token_url gives no token: {said or 'its answer holds none'}.")
        return answer

    def _posted(
        self, client: "httpx.Client", form: Mapping[str, str], auth: tuple[str, str] | None, deadline: float
    ) -> _Answer:
        import httpx

        left = max(0.001, deadline - time.monotonic())
        headers = {"accept": "application/json", "accept-encoding": "identity"}
        parts, n_bytes = [], 0
        try:
            with client.stream(
                "POST", self.token_url.reveal(), data=dict(form), auth=auth, headers=headers, timeout=left
            ) as response:
                for part in response.iter_raw():
                    parts.append(part)
                    n_bytes += len(part)
                    if n_bytes > _MOST_BYTES or time.monotonic() > deadline:
                        raise DeliveryError("The server of token_url answers too much or too slowly.")
                status, wait = response.status_code, response.headers.get("retry-after")
        except httpx.TimeoutException:
            raise DeliveryError("The server of token_url did not answer in time.") from None
        except (httpx.HTTPError, OSError) as error:
            raise DeliveryError(f"The server of token_url could not be reached: {type(error).__name__}.") from None
        if status == 429 or status >= 500:  # of the server, whichever way the client names itself
            raise DeliveryError(
                f"The server of token_url gives no token: HTTP {status}.", retry_after=retry_after_seconds(wait)
            )
        try:
            answer = decode_json(b"".join(parts), _Answer)
        except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
            return _Answer(error=f"HTTP {status}")
        if not 200 <= status < 300:
            return _Answer(error=f"HTTP {status} {answer.error}".strip())
        return answer


_lock: Final = threading.Lock()
_tokens: Final[dict[tuple[object, ...], tuple[str, float]]] = {}
"""In this process alone: the header, and until when it holds."""
