"""Energy trading: synthetic deals with a known truth, newly drawn for each panel, on one price path per session."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import msgspec

from core.domains.domain import DrawRequest, ModelOffer
from core.domains.etrm.data.generation import TradingOptions
from core.domains.etrm.deals.settings import DealSettings
from core.domains.generator import Generator
from core.models.algorithms import MODEL_STACKING, SUPERVISED
from core.seeds import derive_seed

if TYPE_CHECKING:
    import pandas as pd

    from core.domains.report_section import ReportSection
    from core.models.interface import PanelLike
    from core.quality import CheckSet

MODEL_NAMES = ("etrm_risk", "etrm_breach", "etrm_off_market")
NEW_PRICES = "test_new_prices"
_STACKED = (*SUPERVISED, MODEL_STACKING)


class EtrmDomain:
    """The second domain.

    All panels of a session but one share a price path, like books of one market. The second test panel has another
    path: it separates knowledge of deals from knowledge of these years.
    """

    name = "etrm"
    rows = "deals"
    groups = "books"
    group_column = "book_id"
    least_rows = 20  # 97 of 100 draws have two books or more
    notice = (
        "All figures come from synthetic deals with a known truth. They show what the models learn, not how they "
        "would perform on a real book."
    )
    ai_act = (
        "It judges deals and books of energy traders. Annex III names no such use: its point 2 is about safety "
        "components of critical infrastructure, such as the supply of electricity."
    )
    test_panels = ("test", NEW_PRICES)
    settings = DealSettings
    models = {
        "etrm_risk": ModelOffer("core.domains.etrm.models.risk:RiskModel", _STACKED),
        "etrm_breach": ModelOffer("core.domains.etrm.models.risk:BreachModel", _STACKED),
        "etrm_off_market": ModelOffer("core.domains.etrm.models.off_market:OffMarketModel", ("auto", "residual")),
    }

    stress = "core.domains.etrm.stress.engine:ENGINE"
    stress_columns: Mapping[str, tuple[str, ...]] = {
        "name": ("deal_id", "book", "hub", "delivery_month", "tenor_months", "option_type", "strike"),
        "delivery": ("delivery_month", "tenor_months"),
        "side": ("net_quantity_units",),
        "units": ("net_quantity_units",),
        "price": ("mark_price",),
        "price_after": ("mark_price",),
    }
    texts = "core.domains.etrm.corpus.grammar:etrm_grammar"
    narratives = "core.domains.etrm.drafting.risk_notes:RISK_NOTES"
    generator = Generator(
        "energy trading: prices, trades, positions, risk reports, compliance, texts and the truth",
        TradingOptions,
        "core.domains.etrm.data.generation:write",
        formats=(),
    )

    def draw(self, request: DrawRequest) -> "PanelLike":
        """Draw new books on the session's price path, or, for one test panel, on another path."""
        from core.domains.etrm.deals.panel import draw_deals

        settings = cast(DealSettings, request.settings)
        return draw_deals(request.n_rows, request.seed, price_seed(request), settings)

    def slices(self, frame: "pd.DataFrame") -> Mapping[str, "pd.Series[Any]"]:
        """Return the commodity, book, instrument and counterparty's grade of each deal."""
        from core.domains.etrm.deals.slices import deal_slices

        return deal_slices(frame)

    @property
    def specialisms(self) -> Mapping[str, tuple[str, ...]]:
        """The commodities."""
        from core.domains.etrm.data.settings import COMMODITIES

        return {"commodity": COMMODITIES}

    def report_sections(self, settings: msgspec.Struct, session_seed: int) -> "Sequence[ReportSection]":
        """Back-test the value at risk of each book on the session's price path."""
        from core.domains.etrm.deals.backtests import var_section

        path = derive_seed(session_seed, "prices")
        return (var_section(path, cast(DealSettings, settings).n_years),)

    @property
    def checks(self) -> "CheckSet":
        """The gates and checks of deals."""
        from core.domains.etrm.deals.checks import DEAL_CHECKS

        return DEAL_CHECKS


def price_seed(request: DrawRequest) -> int:
    """Return the seed of the price path of a request."""
    return derive_seed(request.session_seed, "new prices" if request.purpose == NEW_PRICES else "prices")


ETRM = EtrmDomain()
