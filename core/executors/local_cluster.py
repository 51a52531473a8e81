"""A Dask cluster on this machine, for trying one: a scheduler in this process, and worker processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import UsageError
from core.executors.dask_connection import in_words, require_dask, security_of
from core.executors.local_certificate import write_certificate
from core.own_python import ONE_THREAD
from core.settings.executor import ExecutorSettings, ExecutorTls

HOST = "127.0.0.1"
_CLOSE_SECONDS = 60.0  # for its workers to end on a machine that is busy; those of an idle one take half a second


@contextmanager
def local_cluster(
    n_workers: int, *, port: int = 0, memory_limit_mb: int = 0, tls_folder: Path | None = None
) -> Iterator[ExecutorSettings]:
    """Run a cluster that only this machine can reach.

    Args:
        n_workers: Worker processes, each with one thread. One that dies is replaced.
        port: Of the scheduler; 0 for any that is free.
        memory_limit_mb: Of each worker, MiB; 0 for an equal share of the machine's.
        tls_folder: Where a new certificate is written with which both ends encrypt; None for no encryption.
    Returns:
        The `executor` block that uses it.
    Raises:
        MissingDaskError: Dask is not installed.
        UsageError: The port is taken.
        FileAccessError: The certificate cannot be written.
    """
    require_dask()
    import logging

    from distributed import LocalCluster

    tls = None
    if tls_folder is not None:
        ca, key = write_certificate(tls_folder, HOST)
        tls = ExecutorTls(ca=str(ca), cert=str(ca), key=str(key))
    try:
        cluster = LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            processes=True,
            host=f"tls://{HOST}" if tls else HOST,
            scheduler_port=port,
            dashboard_address=f"{HOST}:0",  # its pages; the usual port may be taken
            security=security_of(tls),
            silence_logs=logging.CRITICAL,
            memory_limit=f"{memory_limit_mb} MiB" if memory_limit_mb else "auto",
            env=dict(ONE_THREAD),
        )
    except OSError as error:
        raise UsageError(f"the scheduler cannot listen on {HOST}:{port} ({error.strerror or error}).") from None
    except RuntimeError as error:  # which Dask makes of the error of its scheduler
        why: BaseException = error
        while why.__cause__ is not None and not isinstance(why, OSError):
            why = why.__cause__
        raise UsageError(f"the scheduler cannot start on {HOST}:{port} ({in_words(why)}).") from None
    try:
        yield ExecutorSettings(kind="dask", address=str(cluster.scheduler_address), tls=tls)
    finally:
        cluster.close(timeout=_CLOSE_SECONDS)
