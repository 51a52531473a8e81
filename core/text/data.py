"""The documents of a model: what it learns from, what ends its training early, and what it is judged by."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.domains.draws import stream
from core.domains.grammar.kind import NamesInTexts
from core.errors import UsageError
from core.files import digest
from core.home_paths import at_home
from core.settings.text_model import TextModelSettings
from core.text.corpus import Corpus, draw_corpus, read_corpus, text_grammar

if TYPE_CHECKING:
    from core.domains.grammar.grammar import DocumentGrammar

LEAST_DOCUMENTS = 10
_JUDGED_SHARE = 10
_VALIDATED = 500


@dataclass(frozen=True, slots=True)
class TextData:
    """The documents of a model.

    Attributes:
        training: What it learns from.
        validation: What is evaluated while it trains.
        judged: What it is judged by.
        held_out: TokenizedDocuments with counterparties that are in no other; None for a user's own documents.
        grammar: What drew the documents; None for a user's own.
    """

    training: Corpus
    validation: Corpus
    judged: Corpus
    held_out: Corpus | None = None
    grammar: "DocumentGrammar | None" = None

    @property
    def sha256(self) -> str:
        """The hash of the documents that it learns from."""
        return digest("\n".join(self.training.documents).encode("utf-8", "surrogatepass"))


def text_data(settings: TextModelSettings) -> TextData:
    """Draw the documents of a model, or read the user's own.

    Raises:
        UsageError: The domain has no grammar, or the file cannot be used or has too few documents.
        FileAccessError: The file cannot be read.
    """
    if settings.corpus:
        return own_data(read_corpus(at_home(settings.corpus)), settings)
    known, n_judged = NamesInTexts.KNOWN, settings.judged_documents

    def drawn(name: str, n: int, names: NamesInTexts = known) -> Corpus:
        return draw_corpus(settings.domain, n, seed=settings.seed, names=names, stream=name)

    return TextData(
        training=drawn("training", settings.documents),
        validation=drawn("validation", min(n_judged, _VALIDATED)),
        judged=drawn("judged", n_judged),
        held_out=drawn("held-out", n_judged, NamesInTexts.HELD_OUT),
        grammar=text_grammar(settings.domain),
    )


def own_data(corpus: Corpus, settings: TextModelSettings) -> TextData:
    """Split a user's own documents by lot: at most a tenth each for validation and judgement.

    Raises:
        UsageError: There are too few.
    """
    n = len(corpus.documents)
    if n < LEAST_DOCUMENTS:
        held = "1 document" if n == 1 else f"{n} documents"
        raise UsageError(f"{settings.corpus} has {held}; a model needs at least {LEAST_DOCUMENTS}.")
    order = stream(settings.seed, "split").permutation(n).tolist()
    n_judged = min(settings.judged_documents, n // _JUDGED_SHARE)
    n_validated = min(n_judged, _VALIDATED)
    return TextData(
        training=_chosen(corpus, order[n_judged + n_validated :]),
        validation=_chosen(corpus, order[n_judged : n_judged + n_validated]),
        judged=_chosen(corpus, order[:n_judged]),
    )


def _chosen(corpus: Corpus, places: list[int]) -> Corpus:
    known = corpus.log_probabilities
    return Corpus(
        tuple(corpus.documents[place] for place in places),
        None if known is None else tuple(known[place] for place in places),
    )
