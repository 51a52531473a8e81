"""How sensitive the columns of a file, or of a version, are."""

from pathlib import Path

from core.errors import UsageError
from core.explain.deny_list import withholds_cells
from core.protection import ClassifiedColumn, classified_columns, columns_of
from core.registry import Registry
from core.settings import settings_in_force
from core.state import Workspace
from core.tables import TableSignature, read_table
from core.training.own_data.version_choice import chosen_version


@withholds_cells
def columns_of_file(workspace: Workspace, file: Path) -> tuple[ClassifiedColumn, ...]:
    """List the columns of a file with their classes.

    Raises:
        TableError: The file cannot be used.
        SettingsError: The settings cannot be read.
    """
    table = read_table(file, lenient=True)
    return classified_columns((*table.kinds, *table.left_out), settings_in_force(workspace.root).protection)


def columns_of_version(workspace: Workspace, model: str, version: str | None) -> tuple[ClassifiedColumn, ...]:
    """List the columns in the signature of a version, with their classes as they are now and as they were recorded.

    Args:
        workspace: Where the version is registered.
        model: Its model.
        version: Its number; by default that of the live version, else of the newest.
    Raises:
        NotFoundError: There is no such version.
        UsageError: It has no signature.
        SettingsError: The settings cannot be read.
    """
    registry = Registry(workspace)
    chosen = chosen_version(registry, model, version, None)
    with registry.opened(chosen.model, chosen.version) as folder:
        signature = TableSignature.read(folder)
    if signature is None:
        raise UsageError(f"{chosen.key} has no signature.json: it was not trained on a file.")
    protection = settings_in_force(workspace.root).protection
    return classified_columns(columns_of(signature), protection, signature)
