"""Reading sampled rows of features: one function."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from core.telemetry.errors import translated
from core.telemetry.features.records import LoggedCell, unpacked_batch
from core.telemetry.schema import connect_to_read, fetch

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 200_000
_NEWEST = """
SELECT version, n, content FROM batch WHERE model = ? AND (? IS NULL OR version = ?) AND at >= ? ORDER BY at DESC"""


class LoggedFeatures(NamedTuple):
    """Rows that a version answered, in order of time."""

    at: list[datetime]
    versions: list[str]
    requests: list[str]  # the id of each row's prediction, by which its outcome is reported
    columns: dict[str, list[LoggedCell]]  # without the masked fields; None where a row lacks a field
    predictions: list[Any]  # a number, or the probabilities of the classes

    def __len__(self) -> int:
        return len(self.requests)

    def frame(self) -> "pd.DataFrame":
        """Return the features as a table, a row each; texts become categories, as in all tables."""
        import pandas as pd

        found = pd.DataFrame(self.columns, index=range(len(self)))
        texts = [name for name in found if not pd.api.types.is_numeric_dtype(found[name])]
        return found.astype(dict.fromkeys(texts, "category"))


def logged_features(
    file: Path,
    model: str,
    version: str | None = None,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    most: int = MOST_ROWS,
) -> LoggedFeatures:
    """Read the sampled rows of a model; none while `serving.log_features` is off, or the file is not there.

    Args:
        file: The store; `Workspace.features_file`.
        model: The model.
        version: One version of it; all of them if None.
        start: Only rows answered at or after this instant.
        end: Only rows answered before it.
        most: How many at most, the newest.
    Raises:
        TelemetryDamagedError: The file is damaged; the message names the way back.
        TelemetryError: It cannot be read now.
    """
    since = start.timestamp() if start is not None else 0.0
    until = end.timestamp() if end is not None else float("inf")
    rows: list[tuple[float, str, str, dict[str, list[LoggedCell]], int, Any]] = []
    if not file.exists():
        return LoggedFeatures([], [], [], {}, [])
    with translated(file):
        connection = connect_to_read(file)
        try:
            for of, _, content in fetch(connection, _NEWEST, model, version, version, since):
                batch = unpacked_batch(model, of, content)
                rows += [
                    (at, of, batch.requests[row], batch.columns, row, batch.predictions[row])
                    for row, at in enumerate(batch.at)
                    if since <= at < until
                ]
                if len(rows) >= most:
                    break
        finally:
            connection.close()
    rows.sort(key=lambda row: row[0])
    rows = rows[max(len(rows) - most, 0) :]
    names = list(dict.fromkeys(name for *_, columns, _, _ in rows for name in columns))
    return LoggedFeatures(
        [datetime.fromtimestamp(row[0], UTC) for row in rows],
        [row[1] for row in rows],
        [row[2] for row in rows],
        {name: [columns[name][at] if name in columns else None for *_, columns, at, _ in rows] for name in names},
        [row[5] for row in rows],
    )
