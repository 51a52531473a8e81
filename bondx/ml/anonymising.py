"""`anonymise`: a file without what leads to a person, and what that does to a model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.api.arguments import checked
from core.api.config import MLOpsConfig

if TYPE_CHECKING:
    from core.training.own_data.anonymised import AnonymisedFile


@checked
def anonymise(
    file: Path | str,
    out: Path | str,
    *,
    pseudonyms: Sequence[str] = (),
    drop: Sequence[str] = (),
    noise: Mapping[str, float] | None = None,
    coarsen: Mapping[str, str] | None = None,
    quasi: Sequence[str] = (),
    k: int = 5,
    max_suppressed: float = 0.05,
    persons: str | None = None,
    seed: int = 42,
    key_file: Path | str = "",
    key_env: str = "",
    key_command: str = "",
    target: str | None = None,
    group: str | None = None,
    time: str | None = None,
    model: str = "anonymised",
    config: MLOpsConfig | None = None,
) -> "AnonymisedFile":
    """Write a file without what leads to a person, as `bondx data anonymise` does.

    Args:
        file: The file: CSV, Parquet or JSON lines.
        out: The new file.
        pseudonyms: Columns whose values become pseudonyms: `COLUMN`, or `COLUMN=DOMAIN`.
        drop: Columns that are left out.
        noise: By column: the standard deviation of its noise, as a share of the column's.
        coarsen: By column of dates: `month`, `quarter` or `year`.
        quasi: Columns that together could lead to a person.
        k: How many rows, or persons, must share each combination of them.
        max_suppressed: The largest share of the rows that is left out for it.
        persons: The column that says whose row each is.
        seed: Of the noise, beside the key.
        key_file: The file with the key of pseudonyms and noise, mode 600.
        key_env: Or the environment variable with it.
        key_command: Or a command that prints it; without any, what the settings say.
        target: The column to predict, if the quality of a model is to be compared.
        group: Rows of one group are held out together in the comparison.
        time: The latest rows are held out in the comparison.
        model: The entry of `models` in the settings with the recipe of the comparison.
        config: The workspace; by default the one that `MLOpsConfig.from_yaml()` finds.
    Returns:
        What was done to each column, the k that is reached, and the difference of the losses with its interval.
    Raises:
        UsageError: It cannot be done as it was asked; nothing was written.
        TableError: The file cannot be used.
    """
    from core.key_source import KeySource
    from core.protection import AnonymisingRequest
    from core.protection.anonymising import domains_of
    from core.training.own_data.anonymised import anonymise_file
    from core.training.own_data.request import TrainRequest

    request = AnonymisingRequest(
        pseudonyms=domains_of(pseudonyms),
        drop=tuple(drop),
        noise=noise or {},
        coarsen=coarsen or {},
        quasi=tuple(quasi),
        k=k,
        max_suppressed=max_suppressed,
        persons=persons,
        seed=seed,
    )
    train = None
    if target is not None:
        train = TrainRequest(model=model, data=Path(file), target=target, group=group, time=time)
    key = KeySource(file=str(key_file), env=key_env, command=key_command)
    workspace = (config or MLOpsConfig.from_yaml()).workspace
    return anonymise_file(workspace, Path(file), Path(out), request, key=key, train=train)
