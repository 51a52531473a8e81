"""LightGBM, loaded when first needed: its wheel depends on a system library, which may be missing."""

from typing import Any

from core.models.errors import LightGbmUnavailableError
from core.system_libraries import cure_for, ran_out_of_memory


def load_lightgbm() -> Any:
    """Import LightGBM.

    Raises:
        LightGbmUnavailableError: It cannot be loaded; the message has the reason and the cure.
    """
    try:
        import lightgbm
    except (ImportError, OSError) as error:
        if ran_out_of_memory(error):
            raise  # it is installed, and must not be replaced because memory is short at the moment
        raise LightGbmUnavailableError(" ".join(str(error).split())) from error
    return lightgbm


def lightgbm_problem() -> str | None:
    """Return why LightGBM cannot be loaded, or None if it can."""
    try:
        load_lightgbm()
    except LightGbmUnavailableError as error:
        return error.problem
    return None


def stand_in_warning(problem: str, stand_in: str) -> str:
    """Say which algorithm replaces LightGBM, and how to restore LightGBM."""
    return f"LightGBM cannot be loaded ({problem}): {stand_in} trains in its place. Cure: {cure_for(problem)}."
