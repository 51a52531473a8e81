"""From a table and a request to the rows and the model of a training."""

from dataclasses import replace

from core.domains.catalogue import file_domains
from core.domains.own_file import FileRequest, PreparedTraining
from core.errors import UsageError
from core.seeds import derive_seed
from core.settings import ModelSettings
from core.tables import Table
from core.training.own_data.request import TrainRequest

TEST_SHARE = 0.2


def prepare(table: Table, request: TrainRequest, own: ModelSettings, *, random_seed: int) -> PreparedTraining:
    """Let the first domain that can train the model on this table prepare it.

    Args:
        table: The file's rows.
        request: Which model to train.
        own: The algorithm and its parameters.
        random_seed: Of the settings.
    Raises:
        UsageError: No domain can train it.
    """
    wanted = file_request(request, own, random_seed=random_seed)
    notes: tuple[str, ...] = ()
    for domain in file_domains():
        found = domain.prepare(table, wanted)
        if isinstance(found, PreparedTraining):
            return replace(found, notes=(*notes, *found.notes))
        notes = (*notes, *filter(None, [found.note]))
        wanted = replace(wanted, target=wanted.target or found.target)
    raise UsageError(f"No domain can train {request.model} on {request.data}.")


def file_request(request: TrainRequest, own: ModelSettings, *, random_seed: int) -> FileRequest:
    """Return what a domain is asked for.

    Args:
        request: Which model to train.
        own: The algorithm and its parameters.
        random_seed: Of the settings.
    """
    return FileRequest(
        model=request.model,
        target=request.target,
        task=request.task,
        group=request.group,
        time=request.time,
        algorithm=own.algorithm,
        parameters=own.parameters,
        test_share=TEST_SHARE,
        split_seed=derive_seed(random_seed, "test rows"),
        keep=request.keep,
        drop_missing_target=request.drop_missing_target,
    )
