"""The settings of the bond generator, and their valid ranges. Light to import."""

from typing import Annotated

import msgspec
from msgspec import Meta

from core.errors import UsageError
from core.json_documents import converted

MAX_ROWS = 5_000_000
MAX_SEED = 2**63 - 1


class PanelSettingsError(UsageError, ValueError):
    """The requested panel cannot be generated."""


class BondSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A session's settings for its bonds: their history, and the injected faults."""

    n_years: Annotated[int, Meta(ge=6, le=60, description="Length of the panel.")] = 20
    missing_rate: Annotated[float, Meta(ge=0, le=0.3, description="Share of required cells left empty.")] = 0.003
    esg_base: Annotated[float, Meta(ge=-10, le=10, description="Logit of a missing ESG score.")] = -2.5
    liq_shift: Annotated[float, Meta(ge=-5, le=5, description="Worsens liquidity, in probit units.")] = 0.0
    noise_add: Annotated[float, Meta(ge=0, le=1000, description="Sd of the additive spread noise, bp.")] = 2.5
    spread_shift: Annotated[float, Meta(ge=-10_000, le=10_000, description="Added to every spread, bp.")] = 0.0
    maturity_error_rate: Annotated[float, Meta(ge=0, le=1, description="Share of rows, by count.")] = 0.0005
    anomaly_share: Annotated[float, Meta(ge=0, le=0.5, description="Share of rows, by count.")] = 0.02

    def __post_init__(self) -> None:
        if self.anomaly_share + self.maturity_error_rate > 1:
            raise PanelSettingsError("Panel settings: anomaly_share and maturity_error_rate add up to more than 1.")


class PanelSettings(BondSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One synthetic bond panel: its size and seeds, and the settings of a session."""

    n_rows: Annotated[int, Meta(ge=1, le=MAX_ROWS, description="Rows, met exactly.")] = 1000
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED, description="Draws issuers, bonds, noise and labels.")] = 42
    macro_seed: Annotated[int, Meta(ge=0, le=MAX_SEED)] | None = None  # None: the macro path of `seed`

    def __post_init__(self) -> None:
        # msgspec checks the ranges when it decodes a file; a panel requested from code is checked here.
        try:
            converted({f: getattr(self, f) for f in self.__struct_fields__}, _Checked)
        except msgspec.ValidationError as error:
            raise PanelSettingsError(f"Panel settings: {error}.") from None
        super().__post_init__()

    @property
    def path_seed(self) -> int:
        """The seed of the macro path."""
        return self.seed if self.macro_seed is None else self.macro_seed


# The same fields without `__post_init__`, which would otherwise recurse without end.
_Checked = msgspec.defstruct(
    "PanelSettings", [(field.name, field.type) for field in msgspec.structs.fields(PanelSettings)], frozen=True
)
