"""One attempt to tell a webhook of an event: signed as MLflow signs or with a token, sent once, its answer judged."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from core.escape import shown

SIGNATURE_HEADER = "X-MLflow-Signature"
DELIVERY_HEADER = "X-MLflow-Delivery-Id"
TIMESTAMP_HEADER = "X-MLflow-Timestamp"
SECONDS = 5.0
"""How long a receiver may take: it should note an event and answer, and work afterwards."""
_READ_BYTES = 4096
_LATER = frozenset({408, 425, 429})


class Attempt(NamedTuple):
    """The outcome of one attempt."""

    is_delivered: bool
    may_retry: bool
    status: int | None
    problem: str
    retry_after_seconds: float | None = None


def signature_of(secret: str, delivery_id: str, timestamp: str, body: str) -> str:
    """Return the signature of a request.

    >>> signature_of("secret", "id", "1", "{}")
    'v1,490pAcC1LQ1k1cOcmH0da199+A88OKCj0Io4WnJlp68='
    """
    signed = f"{delivery_id}.{timestamp}.{body}".encode()
    return "v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


def signed_headers(secret: str, delivery_id: str, body: str, now: datetime) -> dict[str, str]:
    """Return the headers of MLflow; a receiver refuses a timestamp that is old, so each attempt has its own."""
    timestamp = str(int(now.timestamp()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "bondx",
        DELIVERY_HEADER: delivery_id,
        TIMESTAMP_HEADER: timestamp,
    }
    if secret:
        headers[SIGNATURE_HEADER] = signature_of(secret, delivery_id, timestamp, body)
    return headers


def bearer_headers(token: str) -> dict[str, str]:
    """Return the headers of OpenLineage's HTTP transport; without a token, of a server that asks for none."""
    headers = {"Content-Type": "application/json", "User-Agent": "bondx"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return headers


def send(url: str, body: str, headers: Mapping[str, str], now: datetime, *, seconds: float = SECONDS) -> Attempt:
    """Post one event.

    Args:
        url: Of the receiver.
        body: The payload.
        headers: Such as `signed_headers`.
        now: The time, for a `Retry-After` that names one.
        seconds: How long connecting, and each wait for the answer, may take.
    """
    import httpx

    try:
        with (
            httpx.Client(trust_env=False, follow_redirects=False, timeout=seconds) as client,
            client.stream("POST", url, content=body.encode(), headers=dict(headers)) as response,
        ):
            return _judged(response.status_code, response.headers.get("retry-after", ""), now)
    except httpx.TimeoutException:
        return Attempt(False, True, None, f"no answer within {seconds:g} s")
    except httpx.HTTPError as error:  # the text of an error may hold the URL, whose query may hold a key
        return Attempt(False, True, None, shown(str(error) or type(error).__name__, most=200).replace(url, "the URL"))
    except (httpx.InvalidURL, ValueError) as error:
        return Attempt(False, False, None, f"the URL cannot be used: {type(error).__name__}")


def _judged(status: int, retry_after: str, now: datetime) -> Attempt:
    if 200 <= status < 300:
        return Attempt(True, False, status, "")
    if 300 <= status < 400:
        return Attempt(False, False, status, f"HTTP {status}: a redirection is not followed; correct the URL")
    may_retry = status in _LATER or status >= 500
    return Attempt(False, may_retry, status, f"HTTP {status}", _seconds_of(retry_after, now) if may_retry else None)


def _seconds_of(retry_after: str, now: datetime) -> float | None:
    """Read a `Retry-After`: seconds, or a date.

    >>> _seconds_of("120", datetime(2026, 1, 1, tzinfo=UTC)), _seconds_of("soon", datetime(2026, 1, 1, tzinfo=UTC))
    (120.0, None)
    """
    if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 10:
        return float(retry_after)
    try:
        at = parsedate_to_datetime(retry_after)
        return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
