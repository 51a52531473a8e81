"""Posting protobuf to a collector of OpenTelemetry, for metrics and traces alike."""

import os
import re
from collections.abc import Callable, Mapping
from typing import Final

from core.settings.otlp import OtlpSettings

_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_TIMEOUT_SECONDS: Final = 10.0


class OtlpClient:
    """Sends requests to the collector of the settings, one at a time, and never raises."""

    def __init__(self, settings: OtlpSettings, path: str, environ: Mapping[str, str] = os.environ) -> None:
        """Prepare; nothing is sent.

        Args:
            settings: Where to, and with which headers.
            path: What is added to the address, such as /v1/traces.
            environ: Where the headers find their variables.
        """
        self._settings, self._path, self._environ = settings, path, environ

    def post(self, encode: Callable[[], bytes]) -> str | None:
        """Send once; return what is wrong, without what the headers hold.

        Args:
            encode: Returns the request; whatever it raises is what is wrong.
        """
        try:
            import httpx

            body = encode()
            headers = {name: self._filled(text) for name, text in self._settings.headers.items()}
            # A proxy or .netrc of the environment is nobody's decision about metrics. The answer's body is not read,
            # as it may have any length.
            with (
                httpx.Client(trust_env=False, follow_redirects=False, timeout=_TIMEOUT_SECONDS) as client,
                client.stream(
                    "POST",
                    self._settings.endpoint.rstrip("/") + self._path,
                    content=body,
                    headers={**headers, "Content-Type": "application/x-protobuf"},
                ) as answer,
            ):
                return None if answer.is_success else f"it answered {answer.status_code}"
        except ImportError:
            return "the package opentelemetry-proto is missing; install bondx-console[otel]"
        except _MissingVariableError as error:
            return f"the variable {error} of its headers is not set"
        except Exception as error:  # nobody would notice that the thread has ended; the text may hold a header
            return type(error).__name__

    def _filled(self, text: str) -> str:
        def value(found: re.Match[str]) -> str:
            if (value := self._environ.get(found[1])) is None:
                raise _MissingVariableError(found[1])
            return value

        return _VARIABLE.sub(value, text)


class _MissingVariableError(Exception):
    """A header needs a variable that the environment does not have."""
