"""The connection to a Dask scheduler. Dask is an optional extra, imported when a connection is made."""

import logging
import socket
import ssl
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from core.clock import utc_now
from core.errors import UsageError
from core.escape import shown_path
from core.executors.errors import ExecutorError, MissingDaskError
from core.home_paths import at_home
from core.plain_files import read_file
from core.settings.executor import ExecutorSettings, ExecutorTls

CONNECT_SECONDS = 10.0
_FILES = ("ca", "cert", "key")
_LARGE_TASK = "1 TiB"  # below it, Dask warns of what tasks share, which must travel


def require_dask() -> None:
    """Check, without importing it, that Dask is installed.

    Raises:
        MissingDaskError: It is not.
    """
    if find_spec("distributed") is None:
        raise MissingDaskError


def connected(settings: ExecutorSettings) -> Any:
    """Connect to the scheduler of the settings.

    Args:
        settings: With kind dask.
    Returns:
        A `distributed.Client`; to be closed.
    Raises:
        MissingDaskError: Dask is not installed.
        UsageError: A file of `executor.tls` cannot be read, or is not what it should be.
        ExecutorError: The scheduler does not answer.
    """
    require_dask()
    import dask
    from distributed import Client

    # Its loggers speak of every lost connection, which our own errors say in one sentence.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    dask.config.set({"distributed.admin.large-graph-warning-threshold": _LARGE_TASK})
    security = security_of(settings.tls)
    try:
        _hear(settings.address, security)
        return Client(
            settings.address, security=security, timeout=CONNECT_SECONDS, set_as_default=False, direct_to_workers=False
        )
    except ssl.SSLError as error:
        raise ExecutorError(
            f"the Dask scheduler {settings.address} does not take the files of executor.tls ({in_words(error)}). "
            "Cure: name the certificate and key of this end, and the authority of both"
        ) from None
    except (OSError, TimeoutError) as error:
        raise ExecutorError(
            f"the Dask scheduler {settings.address} does not answer ({in_words(error)}). Cure: start it, or correct "
            "executor.address"
        ) from None


def _hear(address: str, security: Any) -> None:
    """Wait for the first byte of a scheduler, which greets whoever connects; Dask itself waits for it without end.

    Raises:
        OSError: Somebody takes the connection and stays silent, such as a server of web pages or a stopped scheduler.
        ssl.SSLError: The certificates of both ends do not fit.
    """
    place = urlsplit(address)
    try:
        connection = socket.create_connection((place.hostname, place.port), timeout=CONNECT_SECONDS)
    except OSError:
        return  # it may be starting, for which the client waits
    with connection:
        end: socket.socket = connection
        if security is not None:
            context = security.get_connection_args("client")["ssl_context"]
            end = context.wrap_socket(connection, server_hostname=place.hostname)
        with end:
            try:
                found = end.recv(1)
            except TimeoutError:
                found = b""
    if not found:
        raise OSError("what listens there is silent, so it is no scheduler, or one that is stopped")


def workers_of(client: Any) -> dict[str, dict[str, Any]]:
    """Ask a scheduler for its workers, by address.

    `Client.scheduler_info` returns what the client has kept, which its own clock replaces by an answer without workers.

    Raises:
        OSError: The scheduler is gone.
    """
    found: dict[str, dict[str, Any]] = client.sync(client.scheduler.identity, n_workers=-1)["workers"]
    return found


def lost(settings: ExecutorSettings, why: object) -> ExecutorError:
    """Say that the scheduler went in the middle of the work."""
    return ExecutorError(
        f"the Dask scheduler {settings.address} is gone ({in_words(why)}). Cure: start it again; the work then "
        "continues from its last checkpoint"
    )


def security_of(tls: ExecutorTls | None) -> Any:
    """Return Dask's form of the files of both ends.

    Args:
        tls: The files; None for no encryption.
    Raises:
        UsageError: A file cannot be read, or is not what it should be.
    """
    from distributed.security import Security

    if tls is None:
        return None
    require_certificates(tls)
    files = {name: str(at_home(getattr(tls, name))) for name in _FILES}
    ends = {f"tls_{end}_{name}": files[name] for end in ("client", "scheduler", "worker") for name in ("cert", "key")}
    return Security(tls_ca_file=files["ca"], require_encryption=True, **ends)


def require_certificates(tls: ExecutorTls | None) -> None:
    """Check the files of both ends.

    Args:
        tls: The files; None for no encryption.
    Raises:
        UsageError: A file cannot be read, is no certificate or one that does not hold now, or the key is of another one
            or asks for a password.
    """
    if tls is None:
        return
    files = {name: at_home(getattr(tls, name)) for name in _FILES}
    for name, file in files.items():
        try:
            read_file(file)
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise UsageError(f"executor.tls.{name}: {shown_path(file)} cannot be read ({why}).") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=files["ca"])
    except ssl.SSLError as error:
        raise UsageError(
            f"executor.tls.ca: {shown_path(files['ca'])} holds no certificate in PEM form ({in_words(error)})."
        ) from None
    try:
        context.load_cert_chain(files["cert"], files["key"], password="")  # Dask has none to give
    except ssl.SSLError as error:
        raise UsageError(
            f"executor.tls.cert and key: {shown_path(files['cert'])} and "
            f"{shown_path(files['key'])} are not a certificate and its key in PEM form, without a password "
            f"({in_words(error)})."
        ) from None
    for name in ("ca", "cert"):
        _require_valid(name, files[name])


def _require_valid(name: str, file: Path) -> None:
    """Refuse a file none of whose certificates holds at this time; a bundle may keep old ones beside new ones."""
    from cryptography import x509

    now, found = utc_now(), x509.load_pem_x509_certificates(read_file(file))
    if not any(each.not_valid_before_utc <= now <= each.not_valid_after_utc for each in found):
        said = ", ".join(
            f"from {each.not_valid_before_utc:%Y-%m-%d} to {each.not_valid_after_utc:%Y-%m-%d}" for each in found
        )
        raise UsageError(
            f"executor.tls.{name}: {shown_path(file)} does not hold now: it is valid {said}. Name a new certificate."
        )


def in_words(error: object) -> str:
    """Say an error in one line; an error without a message by its name."""
    text = " ".join(str(error).split())
    return text or type(error).__name__
