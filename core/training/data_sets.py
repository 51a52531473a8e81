"""The data sets of a session as files, each in a folder with its lineage, which says how to draw it again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa

from core.files import digest, write_file, write_folder
from core.sealed_files import FileSealer
from core.settings import TrainingSettings
from core.settings.encryption import SealedKind
from core.settings.sealing import sealer_around
from core.tables.data_files import WRITERS, DataFormat, arrow_table, write_parquet, written_table
from core.training.data_lineage import LINEAGE_FILE, DataFile, DataSetLineage, command_for, epoch_name
from core.training.panels import Draw
from core.training.session_domain import domain_of

NOTICE_FILE = "SYNTHETIC.txt"


class DataSets:
    """The kept data sets of one session."""

    def __init__(self, settings: TrainingSettings, document: dict[str, Any], folder: Path | None) -> None:
        """Prepare; nothing is written yet.

        Args:
            settings: The session's settings.
            document: The same, as the session and its report hold them.
            folder: Where each data set gets its folder; None keeps none.
        Raises:
            UsageError: The settings have them sealed, and the key cannot be had.
        """
        self._settings = settings
        self._document = document
        self._folder = folder if settings.datasets.keep != "none" else None
        self._sealer = None if self._folder is None else sealer_around(self._folder, SealedKind.DATASETS)

    @property
    def keeps_final(self) -> bool:
        """Whether the data sets of the end of the session are kept."""
        return self._folder is not None

    def keep_epoch(self, epoch: int, draw: Draw) -> None:
        """Keep the draw of an epoch, if the settings keep those of all epochs."""
        if self._settings.datasets.keep == "epochs":
            self.keep(epoch_name(epoch), draw)

    def keep(self, name: str, draw: Draw) -> None:
        """Keep a data set, in place of an earlier one of its name."""
        if self._folder is not None:
            write_data_set(
                draw,
                self._folder / name,
                name=name,
                settings=self._settings,
                document=self._document,
                formats=self._settings.datasets.formats,
                sealer=self._sealer,
            )


def write_data_set(
    draw: Draw,
    folder: Path,
    *,
    name: str,
    settings: TrainingSettings,
    document: dict[str, Any],
    formats: Sequence[DataFormat],
    reproduce: str = "",
    sealer: FileSealer | None = None,
) -> DataSetLineage:
    """Write a data set, its truth and its lineage into a folder that appears complete or not at all.

    The truth is a separate file, always Parquet. The same data set gives the same bytes in every file, before it is
    sealed; the lineage has the hashes of these bytes, and is not sealed.

    Args:
        draw: The data set.
        folder: Replaced if it is there.
        name: Its name.
        settings: The session's settings.
        document: The same, as the session and its report hold them.
        formats: The formats to write.
        reproduce: The command that makes it again; by default that of a session's data set.
        sealer: What seals the files of rows; None leaves them plain.
    Returns:
        The lineage, as written to `lineage.json`.
    """
    domain = domain_of(settings)
    lineage: DataSetLineage | None = None

    def fill(unfinished: Path) -> None:
        nonlocal lineage
        metadata = {"synthetic": "true", "notice": domain.notice, "sha256": draw.record.sha256}
        table = arrow_table(draw.panel.frame, metadata=metadata)
        files = [written_table(WRITERS[kind], table, unfinished / f"data.{kind}", sealer) for kind in sorted(formats)]
        if draw.panel.truth is not None:
            truth = arrow_table(draw.panel.truth, metadata=metadata)
            files.append(written_table(write_parquet, truth, unfinished / "truth.parquet", sealer))
        lineage = DataSetLineage(
            name=name,
            domain=settings.domain,
            notice=domain.notice,
            content=draw.record,
            random_seed=settings.random_seed,
            settings=document,
            settings_sha256=digest(msgspec.json.encode(document, order="deterministic")),
            reproduce=reproduce or command_for(name),
            library_versions={"numpy": np.__version__, "pandas": pd.__version__, "pyarrow": pa.__version__},
            files={
                each.name: DataFile(sha256=each.sha256, n_bytes=each.n_bytes, n_rows=table.num_rows)
                for each in sorted(files)
            },
        )
        content = msgspec.json.format(msgspec.json.encode(lineage, order="deterministic"), indent=2)
        write_file(unfinished / LINEAGE_FILE, content + b"\n", durable=False)
        notice = f"Synthetic data: {domain.notice}\nHow these files were made: {LINEAGE_FILE}\n"
        write_file(unfinished / NOTICE_FILE, notice.encode(), durable=False)

    write_folder(folder, fill)
    assert lineage is not None
    return lineage
