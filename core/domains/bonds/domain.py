"""Bonds: a synthetic market with a known truth, newly drawn for each panel, on one macro path per session."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.domains.bonds.data.generation import BondOptions
from core.domains.bonds.data.settings import BondSettings, PanelSettings
from core.domains.domain import DrawRequest, ModelOffer
from core.domains.generator import Generator
from core.domains.own_file import FileRequest, Judged, PreparedTraining, Unfit
from core.models.algorithms import MODEL_STACKING, SUPERVISED
from core.seeds import derive_seed

if TYPE_CHECKING:
    import pandas as pd

    from core.models.interface import Model, PanelLike
    from core.quality import CheckSet
    from core.tables import ReadingRules, Table, TableSignature

MODEL_NAMES = ("spread", "downgrade", "liquidity_shock", "anomaly")
NEW_MACRO = "test_new_macro"
_STACKED = (*SUPERVISED, MODEL_STACKING)


class BondDomain:
    """The first domain.

    All panels of a session but one share a macro path, like issuers of one history. The second test panel
    has another path: it separates knowledge of the market from knowledge of these twenty years.
    """

    name = "bonds"
    rows = "bonds"
    groups = "issuers"
    group_column = "issuer_id"
    least_rows = 18  # 97 of 100 draws have two issuers or more; an issuer has at most 20 rows
    notice = (
        "All figures come from synthetic bonds with a known truth. They show what the models learn, not how they "
        "would perform on a real portfolio."
    )
    ai_act = (
        "It prices and ranks bonds of companies and states. Annex III names no such use: its point 5(b) is about the "
        "creditworthiness of natural persons."
    )
    test_panels = ("test", NEW_MACRO)
    settings = BondSettings
    models = {
        "spread": ModelOffer("core.domains.bonds.models.spread:SpreadModel", _STACKED),
        "downgrade": ModelOffer("core.domains.bonds.models.binary:DowngradeModel", _STACKED),
        "liquidity_shock": ModelOffer("core.domains.bonds.models.binary:LiquidityShockModel", _STACKED),
        "anomaly": ModelOffer(
            "core.domains.bonds.models.anomaly:AnomalyModel", ("auto", "isolation_forest", "residual")
        ),
        "joint_stress": ModelOffer(
            "core.domains.bonds.models.joint_stress:JointStressModel", _STACKED, by_default=False
        ),
    }

    generator = Generator(
        "a panel of corporate and sovereign bonds, with labels and truth",
        BondOptions,
        "core.domains.bonds.data.generation:write",
    )

    stress = "core.domains.bonds.stress.engine:ENGINE"
    stress_columns: Mapping[str, tuple[str, ...]] = {
        "name": ("bond_id",),
        "issuer": ("issuer_id", "bond_id"),
        "rating": ("rating", "rating_num"),
        "rating_after": ("rating", "rating_num"),
        "price": ("clean_price",),
        "price_after": ("clean_price",),
        "spread_after_bps": ("spread_bps",),
    }

    def draw(self, request: DrawRequest) -> "PanelLike":
        """Draw new issuers on the session's macro path, or, for one test panel, on another path."""
        from core.domains.bonds.data import generate

        return generate(panel_settings(request))

    def slices(self, frame: "pd.DataFrame") -> Mapping[str, "pd.Series[Any]"]:
        """Return the sector, rating, maturity bucket and region of each bond."""
        from core.domains.bonds.slices import bond_slices

        return bond_slices(frame)

    @property
    def specialisms(self) -> Mapping[str, tuple[str, ...]]:
        """The sectors."""
        from core.domains.bonds.data import calibration as cal

        return {"sector": tuple(sector.name for sector in cal.SECTORS.value)}

    @property
    def checks(self) -> "CheckSet":
        """The gates and checks of bonds."""
        from core.domains.bonds.checks.check_set import BOND_CHECKS

        return BOND_CHECKS

    def prepare(self, table: "Table", request: FileRequest) -> PreparedTraining | Unfit:
        """Train a bond model on a user's bonds, if the file has its columns."""
        from core.domains.bonds.own_file import prepare

        return prepare(table, request)

    def to_judge(
        self,
        model: "Model",
        signature: "TableSignature | None",
        data: Path,
        rules: "ReadingRules",
        *,
        needs_target: bool = True,
    ) -> Judged | None:
        """Evaluate a bond model on a user's bonds."""
        from core.domains.bonds.own_file import to_judge

        return to_judge(model, signature, data, rules, needs_target=needs_target)


def panel_settings(request: DrawRequest) -> PanelSettings:
    """Return the settings of the panel that answers a request."""
    path = "new macro" if request.purpose == NEW_MACRO else "macro"
    own = {name: getattr(request.settings, name) for name in BondSettings.__struct_fields__}
    macro_seed = derive_seed(request.session_seed, path)
    return PanelSettings(n_rows=request.n_rows, seed=request.seed, macro_seed=macro_seed, **own)


BONDS = BondDomain()
