"""A client of TensorFlow Serving under the name that its users expect."""

from typing import Any

from core.client.client import Client, ClientDialect

REST_URL = "http://127.0.0.1:8501"
GRPC_URL = "grpc://127.0.0.1:8500"


class TensorFlowServingClient(Client):
    """A client of TensorFlow Serving, or of any server that speaks its REST or gRPC, such as `bondx serve`."""

    def __init__(self, url: str = REST_URL, **options: Any) -> None:
        """Prepare the client; no request is sent yet.

        Args:
            url: `http://HOST:PORT` for REST, `grpc://HOST:PORT` for gRPC (8501 and 8500 are the usual ports).
            options: As of `Client`: `token`, `timeouts`, `back_off`, …
        Raises:
            RejectedError: The URL is invalid.
            ExtraMissingError: gRPC is requested, but not installed.
        """
        super().__init__(url, ClientDialect.TF_REST, **options)
