"""What a model of language is worth: nats above the known floor, beside simple models, and what it writes.

A document is predicted token by token, its end included. `excess` is what a model needs above the least loss that there
is, in nats a token; `attainment` is how much of the way from the 5-gram to that floor it has gone.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from core.text.corpus import NOTICE, Corpus
from core.text.language_model import LanguageModel, TokenizedDocuments, n_predicted
from core.text.ngrams import NgramModel
from core.text.sampling import SamplingOptions, WrittenText, write_text
from core.text.tokenizers.tokenizer import Tokenizer

if TYPE_CHECKING:
    from core.domains.grammar.grammar import DocumentGrammar

ORDERS = (0, 1, 2, 5)
_BINS = 10
_LONGEST_PHRASE = 4


class ModelScore(msgspec.Struct, frozen=True, kw_only=True):
    """A model on documents that it has not seen.

    Attributes:
        model: Its name.
        nats_a_token: Its mean loss.
        perplexity: e to the power of it.
        bits_a_character: Its loss in bits by characters, which models with other tokenizers share.
        excess: Nats a token above the floor; None where the floor is not known.
    """

    model: str
    nats_a_token: float
    perplexity: float
    bits_a_character: float
    excess: float | None


class TokenCalibration(msgspec.Struct, frozen=True):
    """Next tokens whose likeliest candidate had a probability in one range.

    Attributes:
        n: How many.
        said: The mean probability of the likeliest candidate.
        came: How often it came.
    """

    n: int
    said: float
    came: float


class WritingScore(msgspec.Struct, frozen=True, kw_only=True):
    """What a model writes.

    Attributes:
        n_documents: How many documents were judged.
        consistent_share: The share that the grammar can read: hubs, units, prices and verdicts that agree.
        ended_share: The share that the model ended by itself.
        distinct: For 1 to 4 words, different phrases of so many words as a share of all.
        copied_share: The share that is equal to a training document.
        copied_by_chance: The share of the grammar's own new documents that are.
        longest_copy: The largest number of tokens of one document that stand in a row in a training document.
    """

    n_documents: int
    consistent_share: float | None
    ended_share: float
    distinct: dict[int, float]
    copied_share: float
    copied_by_chance: float | None
    longest_copy: int


class TextReport(msgspec.Struct, frozen=True, kw_only=True):
    """The judgement of a model.

    Attributes:
        notice: That the texts are synthetic; empty for a user's own.
        floor_nats: -log P of the documents under the grammar, by token; None where it is not known.
        scores: The model first, then the simple ones.
        attainment: Of the way from the 5-gram to the floor; None where the floor is not known.
        held_out: The same on documents with counterparties that were never in training; None where there are none.
        calibration: Of the likeliest next token.
        writing: What it writes.
        n_documents: How many documents were predicted.
    """

    notice: str
    floor_nats: float | None
    scores: tuple[ModelScore, ...]
    attainment: float | None
    held_out: ModelScore | None
    calibration: tuple[TokenCalibration, ...]
    writing: WritingScore | None
    n_documents: int

    @property
    def has_grammar(self) -> bool:
        """Whether the documents are of a grammar, which can say whether their facts agree."""
        return bool(self.notice)

    @property
    def names(self) -> tuple[str, ...]:
        """The models of `scores` as tables name them: a 5-gram may stand beside the 5-gram that it is compared with."""
        own, *simple = (each.model for each in self.scores)
        return f"{own} (this model)", *simple


def encoded(tokenizer: Tokenizer, documents: Sequence[str]) -> list[list[int]]:
    """Return documents in tokens."""
    return [tokenizer.encode(document) for document in documents]


def score(model: LanguageModel, tokenizer: Tokenizer, corpus: Corpus) -> ModelScore:
    """Judge a model on documents."""
    documents = encoded(tokenizer, corpus.documents)
    nats = float(model.document_nats(documents).sum())
    return scored(model.name, nats, documents, corpus)


def scored(name: str, nats: float, documents: TokenizedDocuments, corpus: Corpus) -> ModelScore:
    """Spell the loss of a model on documents.

    Args:
        name: Of the model.
        nats: -log P of all documents.
        documents: In tokens.
        corpus: The same as texts.
    """
    n = n_predicted(documents)
    floor = floor_of(corpus, documents)
    return ModelScore(
        model=name,
        nats_a_token=nats / n,
        perplexity=math.exp(min(nats / n, 700.0)),
        bits_a_character=nats / math.log(2) / max(sum(map(len, corpus.documents)), 1),
        excess=None if floor is None else nats / n - floor,
    )


def floor_of(corpus: Corpus, documents: TokenizedDocuments) -> float | None:
    """Return the least mean loss a token that any model can have."""
    if corpus.log_probabilities is None:
        return None
    return -sum(corpus.log_probabilities) / n_predicted(documents)


def baselines(documents: TokenizedDocuments, n_tokens: int) -> list[NgramModel]:
    """Train the simple models: uniform, unigram, bigram and 5-gram."""
    longest = NgramModel.trained(documents, n_tokens, ORDERS[-1])
    return [longest.shorter(order) for order in ORDERS]


def judge_model(
    model: LanguageModel,
    tokenizer: Tokenizer,
    *,
    training: Corpus,
    judged: Corpus,
    held_out: Corpus | None = None,
    grammar: "DocumentGrammar | None" = None,
    n_written: int = 200,
    seed: int = 42,
) -> TextReport:
    """Judge a model.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        training: What it was trained on; the simple models learn from the same.
        judged: TokenizedDocuments that it has not seen.
        held_out: TokenizedDocuments with names that it has not seen.
        grammar: What reads its own documents; None where there is none.
        n_written: How many documents it writes; 0: none.
        seed: Of what it writes.
    """
    seen, unseen = encoded(tokenizer, training.documents), encoded(tokenizer, judged.documents)
    simple = baselines(seen, tokenizer.n_tokens)
    scores = [score(model, tokenizer, judged)]
    scores += [scored(each.name, float(each.document_nats(unseen).sum()), unseen, judged) for each in simple]
    floor, own, ngram = floor_of(judged, unseen), scores[0].nats_a_token, scores[-1].nats_a_token
    writing = None
    if n_written:
        options = SamplingOptions(seed=seed, max_tokens=256)
        written = [write_text(model, tokenizer, options, number=number) for number in range(n_written)]
        writing = judge_writing(written, tokenizer, training, grammar)
    return TextReport(
        notice="" if grammar is None else NOTICE,
        floor_nats=floor,
        scores=tuple(scores),
        attainment=None if floor is None or ngram <= floor else (ngram - own) / (ngram - floor),
        held_out=None if held_out is None else score(model, tokenizer, held_out),
        calibration=calibration(model, unseen[:100]),
        writing=writing,
        n_documents=len(unseen),
    )


def judge_writing(
    written: Sequence[WrittenText], tokenizer: Tokenizer, training: Corpus, grammar: "DocumentGrammar | None"
) -> WritingScore:
    """Judge what a model has written, at least one document.

    Args:
        written: Its documents.
        tokenizer: Its tokenizer.
        training: What it was trained on.
        grammar: What reads documents.
    """
    known = dict(zip(training.documents, training.log_probabilities or (), strict=False))
    texts = set(training.documents)
    ended = [each for each in written if each.finish == "end"]
    words = [each.text.split() for each in written]
    return WritingScore(
        n_documents=len(written),
        consistent_share=None
        if grammar is None
        else sum(grammar.read(each.text) is not None for each in ended) / len(written),
        ended_share=len(ended) / len(written),
        distinct={n: distinct_share(words, n) for n in range(1, _LONGEST_PHRASE + 1)},
        copied_share=sum(each.text in texts for each in ended) / len(written),
        copied_by_chance=math.fsum(map(math.exp, known.values())) if known else None,
        longest_copy=longest_copy(
            encoded(tokenizer, [each.text for each in written]), encoded(tokenizer, training.documents)
        ),
    )


def distinct_share(documents: Sequence[Sequence[str]], n: int) -> float:
    """Return the different phrases of n words as a share of all; 1 where there are none.

    >>> distinct_share([["a", "b", "a", "b"]], 2)
    0.6666666666666666
    """
    phrases = [tuple(words[at : at + n]) for words in documents for at in range(len(words) - n + 1)]
    return len(set(phrases)) / len(phrases) if phrases else 1.0


def longest_copy(written: TokenizedDocuments, training: TokenizedDocuments) -> int:
    """Return the largest number of tokens in a row that a written document shares with a training document.

    >>> longest_copy([[1, 2, 3, 9]], [[7, 2, 3, 4], [1, 2]])
    2
    """
    low, high = 0, max(map(len, written), default=0)
    while low < high:  # a copy of n tokens holds one of n - 1
        n = (low + high + 1) // 2
        seen = {tuple(document[at : at + n]) for document in training for at in range(len(document) - n + 1)}
        if any(tuple(own[at : at + n]) in seen for own in written for at in range(len(own) - n + 1)):
            low = n
        else:
            high = n - 1
    return low


def calibration(model: LanguageModel, documents: TokenizedDocuments) -> tuple[TokenCalibration, ...]:
    """Compare how probable a model says the likeliest next token is with how often it comes, in tenths."""
    said: list[float] = []
    came: list[bool] = []
    for document in documents:
        going = model.begin()
        for token in (*document, 0):
            logs = going.next_log_probabilities()
            likeliest = int(np.argmax(logs))
            said.append(float(np.exp(logs[likeliest])))
            came.append(likeliest == token)
            going.take([token])
    places = np.minimum((np.array(said) * _BINS).astype(int), _BINS - 1)
    shares, hits = np.array(said), np.array(came)
    return tuple(
        TokenCalibration(int(inside.sum()), float(np.mean(shares[inside])), float(np.mean(hits[inside])))
        for place in range(_BINS)
        if (inside := places == place).any()
    )
