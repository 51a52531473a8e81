"""Access to an MLflow store for the time of one import or export, without a global setting.

MLflow reads its settings from the environment, and creates what it does not find: a database for a mistyped
`sqlite:///` address, a folder for a mistyped path. An import only reads, so its store is checked before MLflow sees it.
"""

import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from core.errors import UsageError

# MLflow's own limits are 7 retries and 120 seconds: minutes until a mistyped address is an error.
_LIMITS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
}
_FOLDERS = {"MLFLOW_ALLOW_FILE_STORE": "true"}  # MLflow 3 refuses them otherwise
_PRINTS = {"MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}  # the address of a run that ends, also for --json
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_TABLE = "runs"


@contextmanager
def opened(store: str, *, reads: bool) -> Iterator[Any]:
    """Open a store with an `MlflowClient`, and turn MLflow's exceptions into one message of ours.

    Args:
        store: Tracking URI: `sqlite:///mlflow.db`, `http://…`, a folder.
        reads: Whether the store must exist; else MLflow may create it.
    Raises:
        UsageError: MLflow is not installed, or the store does not exist or cannot be used.
    """
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
    except ImportError:
        raise UsageError("MLflow is not installed: pip install 'bondx-console[mlflow]'.") from None
    with _environment(_LIMITS | _FOLDERS | _PRINTS), _quiet():
        _check(store, reads)
        try:
            yield MlflowClient(tracking_uri=store, registry_uri=store)
        except MlflowException as error:
            raise UsageError(f"MLflow at {_shown(store)}: {_first_line(error)}") from error


def _check(store: str, reads: bool) -> None:
    """Refuse a store that MLflow would create or wait for.

    Raises:
        UsageError: What is missing.
    """
    scheme = urlparse(store).scheme.partition("+")[0]
    if scheme in _DATABASES:
        _check_database(store, scheme, reads)
    elif scheme in ("", "file") and reads:
        folder = Path(unquote(urlparse(store).path) if scheme else store)
        if folder.is_file():
            raise UsageError(f"{store} is a file. The address of a database is sqlite:///{store}.")
        if not folder.is_dir():
            raise UsageError(f"There is no MLflow store at {store}: there is no such folder.")
        if next(folder.glob("*/meta.yaml"), None) is None:
            raise UsageError(f"There is no MLflow store at {store}: the folder holds no experiment.")


def _check_database(store: str, scheme: str, reads: bool) -> None:
    if scheme == "sqlite":
        file = Path(urlparse(store).path.removeprefix("/"))
        if not file.parent.is_dir():  # MLflow would try again for minutes
            raise UsageError(f"There is no MLflow store at {store}: there is no folder {file.parent}.")
        if not file.exists():
            if reads:
                raise UsageError(f"There is no MLflow store at {store}: there is no file {file}.")
            return
    if not reads:
        return
    import sqlalchemy

    try:
        engine = sqlalchemy.create_engine(store)
        try:
            is_store = sqlalchemy.inspect(engine).has_table(_TABLE)
        finally:
            engine.dispose()
    except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
        why = getattr(error, "orig", None) or error
        raise UsageError(f"MLflow at {_shown(store)}: {_first_line(why)}.") from error
    if not is_store:
        raise UsageError(f"There is no MLflow store at {_shown(store)}: the database has no table `{_TABLE}`.")


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables that are not set, and remove them again."""
    ours = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


@contextmanager
def _quiet() -> Iterator[None]:
    """Drop informational messages: a new database logs a line for each of its migrations."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.INFO))
    try:
        yield
    finally:
        logging.disable(before)


def _shown(store: str) -> str:
    """Return the address without a password."""
    return re.sub(r"//[^/@]*@", "//…@", store)


def _first_line(error: object) -> str:
    return (str(error).splitlines() or [repr(error)])[0]
