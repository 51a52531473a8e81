"""One row through LightGBM's trees by its single-row-fast C call: the configuration is parsed once, not per prediction.

`Booster.predict` spends a hundred microseconds on checks and on parsing its parameters for every call; the call
here takes five. A handle belongs to one thread, so each predicting thread makes its own on first use.
"""

import ctypes
import threading
from typing import Any

import numpy as np

from core.arrays import AnyArray, FloatArray

_DTYPES = {np.dtype(np.float32): 0, np.dtype(np.float64): 1}  # C_API_DTYPE_FLOAT32, C_API_DTYPE_FLOAT64
_ANSWER, _RAW_SCORE = 0, 1  # C_API_PREDICT_NORMAL, C_API_PREDICT_RAW_SCORE
_PARAMETERS = b"num_threads=1"


class SingleRow:
    """The trees of one booster, for one thread.

    Attributes:
        row: The row to score; written in place.
    """

    def __init__(self, library: Any, booster: Any, n_columns: int, *, raw: bool, dtype: type[np.floating[Any]]) -> None:
        self._library = library
        self._booster = booster  # the handle points into it
        self.row: AnyArray = np.zeros(n_columns, dtype=dtype)
        self._answer = ctypes.c_double()
        self._n_answers = ctypes.c_int64()
        self._config = ctypes.c_void_p()
        _check(
            library,
            library.LGBM_BoosterPredictForMatSingleRowFastInit(
                booster._handle,
                _RAW_SCORE if raw else _ANSWER,
                0,  # from the first tree
                -1,  # to the last
                _DTYPES[self.row.dtype],
                ctypes.c_int32(n_columns),
                _PARAMETERS,
                ctypes.byref(self._config),
            ),
        )
        # Built once: ctypes' conversion on every call would cost more than the trees.
        self._call = library.LGBM_BoosterPredictForMatSingleRowFast
        self._arguments = (
            self._config,
            ctypes.c_void_p(self.row.ctypes.data),
            ctypes.byref(self._n_answers),
            ctypes.byref(self._answer),
        )

    def score(self) -> float:
        """Return the score of `row`."""
        if status := self._call(*self._arguments):
            _check(self._library, status)
        return self._answer.value

    def __del__(self) -> None:
        if self._config:
            self._library.LGBM_FastConfigFree(self._config)


class FastTrees:
    """A booster for one row at a time and for many; safe to share between threads.

    Args:
        booster: A `lightgbm.Booster` that answers one number a row.
        raw: Whether to return the score before the objective's link, or the answer.
        dtype: The type of the rows.
    """

    def __init__(self, booster: Any, *, raw: bool = True, dtype: type[np.floating[Any]] = np.float32) -> None:
        import lightgbm.basic

        self._library: Any = vars(lightgbm.basic)["_LIB"]
        self._booster = booster
        self._n_columns: int = booster.num_feature()
        self._raw, self._dtype = raw, dtype
        self._of_thread = threading.local()

    def single(self) -> SingleRow:
        """Return the calling thread's handle."""
        try:
            return self._of_thread.handle  # type: ignore[no-any-return]
        except AttributeError:
            handle = self._of_thread.handle = SingleRow(
                self._library, self._booster, self._n_columns, raw=self._raw, dtype=self._dtype
            )
            return handle

    def scores(self, rows: AnyArray) -> FloatArray:
        """Return the scores of rows, shape (n,)."""
        return np.asarray(self._booster.predict(rows, raw_score=self._raw, num_threads=1), dtype=np.float64)


def _check(library: Any, status: int) -> None:
    if status:
        message = ctypes.cast(library.LGBM_GetLastError(), ctypes.c_char_p).value or b"no message"
        raise RuntimeError(f"LightGBM: {message.decode(errors='replace')}")
