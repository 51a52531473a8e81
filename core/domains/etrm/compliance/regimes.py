"""The regimes, in the order in which a trade's rows stand; a new one is one entry."""

from collections.abc import Iterable

from core.domains.etrm.compliance.dodd_frank import DODD_FRANK
from core.domains.etrm.compliance.emir import EMIR
from core.domains.etrm.compliance.mifid import MIFID
from core.domains.etrm.compliance.regime import Regime
from core.domains.etrm.compliance.remit import REMIT
from core.errors import NotFoundError
from core.escape import shown

REGIMES: tuple[Regime, ...] = (REMIT, EMIR, MIFID, DODD_FRANK)


def regimes_named(names: Iterable[str] | None = None) -> tuple[Regime, ...]:
    """Return regimes by their names, each once, in the order of the list; all without names.

    Raises:
        NotFoundError: There is none of this name.
    """
    wanted = [name.lower() for name in names] if names is not None else [regime.name for regime in REGIMES]
    known = {regime.name for regime in REGIMES}
    for name in wanted:
        if name not in known:
            raise NotFoundError(f"There is no regime {shown(name)}; known: {', '.join(r.name for r in REGIMES)}.")
    return tuple(regime for regime in REGIMES if regime.name in wanted)
