"""Tables that the workers of a Dask cluster read: which ones, and what else must not be asked for."""

from dataclasses import replace
from pathlib import Path
from typing import Protocol, cast

from core.domains.catalogue import file_domains
from core.domains.own_file import FileRequest, PreparedTraining
from core.errors import UsageError
from core.executors.dask_cluster import DaskExecutor
from core.explain.deny_list import DenyList
from core.models.algorithms import AUTO
from core.settings import ModelSettings, Settings, TrainingSettings
from core.tables import ReadingRules, TableError, limits
from core.tables.parquet_file import MOST_UNPACKED_BYTES
from core.tables.parts import PartedTable, names_files, size_of
from core.training.ensemble_plan import asked_ensembles
from core.training.own_data.preparation import file_request
from core.training.own_data.request import TrainRequest
from core.training.tuning.plan import SWITCH

MEMORY_OF_TEXT = 8
"""Bytes of memory that a byte of a text file takes while it is read and learned from (docs/executors.md)."""
MEMORY_OF_CELL = 60
"""The same for a cell of a Parquet file."""


class PartedDomain(Protocol):
    """A domain that trains on a table whose rows are read by the workers of a cluster."""

    def prepare_parts(
        self, table: PartedTable, rules: ReadingRules, request: FileRequest, cluster: DaskExecutor
    ) -> PreparedTraining:
        """Prepare a table for training."""


def is_read_by_workers(path: Path, settings: TrainingSettings) -> bool:
    """Return whether the workers of the cluster read a table, a part at a time.

    Args:
        path: A file, a folder or a pattern.
        settings: `executor`, and `trainer.memory_limit_mb`.
    """
    chosen = settings.executor
    if chosen.kind != "dask" or chosen.tables == "memory":
        return False
    if chosen.tables == "dask" or names_files(path):
        return True
    try:
        return _is_beyond_memory(path, settings.trainer.memory_limit_mb << 20)
    except TableError:  # the reading in memory says what is wrong with the file
        return False


def prepare_parts(
    table: PartedTable, request: TrainRequest, own: ModelSettings, settings: Settings, cluster: DaskExecutor
) -> PreparedTraining:
    """Let the domain of users' own tables prepare a table on a cluster.

    Args:
        table: The table.
        request: Which model to train.
        own: The algorithm and its parameters.
        settings: What is switched on.
        cluster: Its workers read the files.
    Raises:
        UsageError: Something is asked for that needs all rows in memory.
        TableError: The table cannot be used.
    """
    wanted = file_request(request, own, random_seed=settings.random_seed)
    wanted = replace(wanted, unquoted=DenyList.of_cells(settings).patterns)
    (domain,) = (domain for domain in file_domains() if hasattr(domain, "prepare_parts"))
    return cast(PartedDomain, domain).prepare_parts(table, request.rules, wanted, cluster)


def require_possible(request: TrainRequest, own: ModelSettings, settings: Settings) -> None:
    """Make sure, before anything is read, that nothing is asked for that needs all rows in memory.

    Raises:
        UsageError: Something is.
    """
    cure = "executor.tables: memory trains it in memory"
    other = next((domain.name for domain in file_domains() if request.model in domain.models), "table")
    if other != "table":
        raise UsageError(
            f"{request.model} is a model of the domain {other}, which needs all rows in memory, and the workers of a "
            f"cluster read a table of one's own. Cure: another name for the model; {cure}."
        )
    switched = []
    if settings.advanced.enable_hyperparameter_tuning:
        switched.append(SWITCH)
    if own.algorithm == AUTO and asked_ensembles(settings)[0]:
        switched.append("an ensemble")
    if switched:
        raise UsageError(
            f"{' and '.join(switched)} of the settings needs all rows in memory, and the workers of a cluster read "
            f"{request.data}. Cure: switch it off; {cure}."
        )


def _is_beyond_memory(path: Path, limit: int) -> bool:
    size = size_of(path)
    if size is None:  # JSON lines and packed files cannot be cut
        return False
    if size.n_cells is None:
        return size.n_bytes > limits.MOST_TEXT_BYTES or 0 < limit < MEMORY_OF_TEXT * size.n_bytes
    is_too_large = size.n_cells > limits.MOST_CELLS or size.n_bytes > MOST_UNPACKED_BYTES
    return is_too_large or 0 < limit < MEMORY_OF_CELL * size.n_cells
