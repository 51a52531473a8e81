"""LightGBM, loaded when it is first needed: its wheel leans on a library of the system, which may be missing."""

from typing import Any

from core.models.errors import LightGbmUnavailableError
from core.system_libraries import cure_for, ran_out_of_memory


def load_lightgbm() -> Any:
    """Import LightGBM.

    Raises:
        LightGbmUnavailableError: It cannot be loaded here, with the reason and the cure.
    """
    try:
        import lightgbm
    except (ImportError, OSError) as error:
        if ran_out_of_memory(error):
            raise  # it is there, and must not be passed over because memory is short at the moment
        raise LightGbmUnavailableError(" ".join(str(error).split())) from error
    return lightgbm


def lightgbm_problem() -> str | None:
    """Say why LightGBM cannot be loaded; None where it can."""
    try:
        load_lightgbm()
    except LightGbmUnavailableError as error:
        return error.problem
    return None


def stand_in_warning(problem: str, stand_in: str) -> str:
    """Say which algorithm trains in the place of LightGBM, and how to have LightGBM back."""
    return f"LightGBM cannot be loaded ({problem}): {stand_in} trains in its place. Cure: {cure_for(problem)}."
