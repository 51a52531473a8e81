import errno
from pathlib import Path

import msgspec
import pytest
from lightgbm.basic import LightGBMError
from sklearn.utils._param_validation import InvalidParameterError

from core.errors import CoreError
from core.files import DiskFullError, InDoubtError
from core.models.errors import LightGbmUnavailableError, MissingExtraError
from core.text.corpus import read_corpus
from core.training.errors import LearningError
from core.training.failure import failure_of

LIBGOMP = "libgomp.so.1: cannot open shared object file: No such file or directory"


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        pytest.param(OSError(LIBGOMP), "environment", "apt-get install libgomp1", id="a library, by ctypes"),
        pytest.param(ImportError(LIBGOMP), "environment", "apt-get install libgomp1", id="a library, by an extension"),
        pytest.param(ModuleNotFoundError("No module named 'x'"), "environment", "bondx doctor", id="a package"),
        pytest.param(LightGbmUnavailableError(LIBGOMP), "refused", "apt-get install libgomp1", id="LightGBM asked for"),
        pytest.param(MissingExtraError("xgboost", "xgboost"), "refused", "pip install", id="an extra"),
        pytest.param(LightGBMError("num_leaves"), "refused", "num_leaves. Cure: correct the model's", id="LightGBM"),
        pytest.param(InvalidParameterError("max_iter is -5."), "refused", "max_iter is -5.", id="scikit-learn"),
        pytest.param(msgspec.ValidationError("Expected `int`"), "refused", "Expected `int`", id="settings"),
    ],
)
def test_an_error_that_no_retry_can_fix_is_permanent_and_names_the_fix(error, kind, says):
    failure = failure_of(error)

    assert failure.kind == kind
    assert says in failure.reason
    assert LearningError(failure.reason, kind=failure.kind).is_hopeless


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param(MemoryError(), "memory", id="Python's own"),
        pytest.param(RuntimeError("std::bad_alloc"), "memory", id="LightGBM's"),
        pytest.param(ImportError("a.so: failed to map segment from shared object"), "memory", id="the loader's"),
        pytest.param(OSError(errno.ENOSPC, "No space left on device"), "error", id="a full disk"),
        pytest.param(DiskFullError(Path("a"), "write", "No space left"), "error", id="a full disk, in our words"),
        pytest.param(InDoubtError(Path("a"), "I/O error"), "error", id="a disk that did not confirm"),
        pytest.param(ValueError("a bug"), "error", id="a bug"),
    ],
)
def test_a_possibly_transient_error_is_retried(error, kind):
    failure = failure_of(error)

    assert failure.kind == kind
    assert not LearningError(failure.reason, kind=failure.kind).is_hopeless


def test_our_own_sentence_is_logged_without_the_way_to_it():
    with pytest.raises(CoreError) as missing:
        read_corpus(Path("/nowhere/corpus.txt"))
    failure = failure_of(missing.value)
    assert (failure.kind, failure.details) == ("refused", "")
    assert failure.reason.startswith("/nowhere/corpus.txt, the corpus, cannot be read")


def test_a_bug_is_logged_with_the_way_to_it():
    def attempt():
        try:
            raise ValueError("a bug")
        except ValueError as error:
            return failure_of(error)

    assert "test_failure.py" in attempt().details
