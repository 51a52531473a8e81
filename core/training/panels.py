"""The data sets of a session: a fresh draw each epoch, one validation panel, two test panels, no issuer shared.

All but one live on the same macro path, as the issuers of one history do. The second test panel has a path of its own:
it shows what the models have learnt of the market, and what only of these twenty years.
"""

from dataclasses import dataclass

import numpy as np

from core.domains.bonds.data import BondPanel, PanelSettings, generate
from core.models import Panel
from core.settings import TrainingSettings
from core.training.digest import digest_of
from core.training.records import DrawRecord
from core.training.seeds import derive_seed

VALIDATION_ROWS = 4_000  # about 450 issuers: the standard error of an attainment is then near 0.01
TEST_ROWS = 10_000
TEST_PANELS = ("test", "test_new_macro")


@dataclass(frozen=True, slots=True)
class Draw:
    """A generated panel and what identifies it."""

    panel: BondPanel
    record: DrawRecord


class SessionPanels:
    """Draws the panels of one session; the same settings give the same panels."""

    def __init__(self, settings: TrainingSettings) -> None:
        self._settings = settings
        self._macro_seed = derive_seed(settings.random_seed, "macro")

    def epoch(self, number: int) -> Draw:
        """Draw the variation of the data set that an epoch sees."""
        return self._draw("draw", number, n_rows=self._settings.dataset_size)

    def validation(self) -> Draw:
        """Draw the panel on which every epoch is judged and nobody learns before the end."""
        return self._draw("validation", n_rows=VALIDATION_ROWS)

    def test(self, name: str) -> Draw:
        """Draw one of `TEST_PANELS`."""
        return self._draw(name, n_rows=TEST_ROWS, new_macro=name == "test_new_macro")

    def split(self, panel: BondPanel, number: int) -> tuple[Panel, Panel]:
        """Part a draw by issuer.

        Returns:
            What is learnt from, and the hold-out; between them every row, and no issuer twice.
        """
        issuers = np.sort(panel.bonds["issuer_id"].unique())
        order = np.random.default_rng(derive_seed(self._settings.random_seed, "split", number)).permutation(
            len(issuers)
        )
        n_learned = min(max(round(self._settings.training_split * len(issuers)), 1), len(issuers) - 1)
        learned = panel.bonds["issuer_id"].isin(issuers[order[:n_learned]]).to_numpy()
        return _rows(panel, learned), _rows(panel, ~learned)

    def _draw(self, purpose: str, *parts: int, n_rows: int, new_macro: bool = False) -> Draw:
        seed = derive_seed(self._settings.random_seed, purpose, *parts)
        macro_seed = derive_seed(self._settings.random_seed, "new macro") if new_macro else self._macro_seed
        panel = generate(PanelSettings(n_rows=n_rows, seed=seed, macro_seed=macro_seed))
        record = DrawRecord(
            purpose=purpose,
            seed=seed,
            n_rows=len(panel.bonds),
            n_issuers=int(panel.bonds["issuer_id"].nunique()),
            sha256=digest_of(panel.bonds),
        )
        return Draw(panel, record)


def _rows(panel: BondPanel, keep: np.ndarray) -> Panel:
    return Panel(panel.bonds[keep].reset_index(drop=True), panel.truth[keep].reset_index(drop=True))
