"""A small corpus of energy trading, a tokenizer of words, and the documents in tokens."""

from collections.abc import Iterator

import pytest

from core.domains.grammar.kind import NamesInTexts
from core.text.corpus import Corpus, draw_corpus
from core.text.judging import encoded
from core.text.tokenizers import Tokenizer, train_tokenizer


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Let torch compute in one thread, whose sums are in one order."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def training() -> Corpus:
    return draw_corpus("etrm", 1_500, seed=1, names=NamesInTexts.KNOWN)


@pytest.fixture(scope="session")
def unseen() -> Corpus:
    return draw_corpus("etrm", 200, seed=1, names=NamesInTexts.KNOWN, stream="unseen")


@pytest.fixture(scope="session")
def words(training) -> Tokenizer:
    return train_tokenizer("word", training.documents, 10_000)


@pytest.fixture(scope="session")
def in_tokens(training, words) -> list[list[int]]:
    return encoded(words, training.documents)


@pytest.fixture(scope="session")
def unseen_in_tokens(unseen, words) -> list[list[int]]:
    return encoded(words, unseen.documents)
