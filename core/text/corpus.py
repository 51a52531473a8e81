"""Corpora: documents drawn from a domain's grammar, with the probability of each, or the lines of a user's own file."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec

from core.domains.grammar.kind import NamesInTexts, TextDomain, TextOffer
from core.domains.registry import domain_names, find_domain
from core.errors import CoreError, UsageError
from core.files import access_error, digest
from core.json_documents import decode_json
from core.output_files import require_new_output, write_new_output
from core.plain_files import NotPlainError, open_plain, read_file
from core.plugins import load_object

if TYPE_CHECKING:
    from core.domains.grammar.grammar import DocumentGrammar, DrawnDocument

NOTICE = "Synthetic: every name and number is invented."
MAX_FILE_BYTES = 256 * 1024 * 1024
MAX_CHARACTERS = 20_000
_LINES, _RECORDS = ".txt", ".jsonl"


class CorpusSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a corpus file holds.

    Attributes:
        notice: That it is synthetic.
        domain: Whose grammar drew it.
        seed: Its seed.
        names: Which names it may hold.
        n_documents: How many documents.
        n_characters: How many characters they have, line breaks not counted.
        kinds: How many documents of each kind.
        nats_a_document: The mean of -log P(document) under the grammar: no model can do better.
        nats_a_character: The same for each character.
        sha256: Of the file.
    """

    notice: str
    domain: str
    seed: int
    names: str
    n_documents: int
    n_characters: int
    kinds: dict[str, int]
    nats_a_document: float
    nats_a_character: float
    sha256: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """TokenizedDocuments to learn from or to be judged by.

    Attributes:
        documents: Their texts.
        log_probabilities: The log of the probability of each under the grammar that drew it; None if nobody knows it.
    """

    documents: tuple[str, ...]
    log_probabilities: tuple[float, ...] | None = None

    @property
    def floor_nats(self) -> float | None:
        """The mean of -log P(document): the least mean loss that any model can have. None if nobody knows it."""
        if self.log_probabilities is None:
            return None
        return -sum(self.log_probabilities) / len(self.log_probabilities)


def text_domains() -> tuple[str, ...]:
    """Name the domains with a grammar of texts; a package that cannot be loaded is left out."""
    found = []
    for name in domain_names():
        try:
            if isinstance(find_domain(name), TextDomain):
                found.append(name)
        except CoreError:
            continue
    return tuple(found)


def text_grammar(domain: str, names: NamesInTexts = NamesInTexts.ALL) -> "DocumentGrammar":
    """Return the grammar of a domain's texts.

    Raises:
        NotFoundError: There is no such domain.
        UsageError: It has no grammar.
    """
    found = find_domain(domain)
    if not isinstance(found, TextDomain):
        raise UsageError(
            f"The domain {domain!r} has no grammar of texts. Domains with one: {', '.join(text_domains())}."
        )
    return cast(TextOffer, load_object(found.texts))(names)


def draw_corpus(
    domain: str, n: int, *, seed: int, names: NamesInTexts = NamesInTexts.ALL, stream: str = "texts"
) -> Corpus:
    """Draw documents.

    Args:
        domain: Whose grammar draws them.
        n: How many.
        seed: The same seed draws the same documents.
        names: Which names they may hold.
        stream: TokenizedDocuments of another stream are other documents.
    Raises:
        UsageError: The domain has no grammar.
    """
    drawn = list(text_grammar(domain, names).documents(n, seed=seed, name=stream))
    return Corpus(tuple(each.text for each in drawn), tuple(each.log_probability for each in drawn))


def write_corpus(
    domain: str, n: int, path: Path, *, seed: int, names: NamesInTexts = NamesInTexts.ALL
) -> CorpusSummary:
    """Draw documents into a new file: a line each, or, if its name ends in .jsonl, a record each with the truth.

    Raises:
        UsageError: The domain has no grammar, or the file cannot be named so, or it exists already.
        RefusedError: The file is in a workspace.
    """
    require_new_output(path)
    if path.suffix not in (_LINES, _RECORDS):
        raise UsageError(
            f"--out {path} must end in {_LINES} (a document a line) or {_RECORDS} (with the truth of each)."
        )
    drawn = list(text_grammar(domain, names).documents(n, seed=seed))
    spell = _record if path.suffix == _RECORDS else _line
    content = b"".join(spell(document) + b"\n" for document in drawn)
    write_new_output(path, content)
    n_characters = sum(len(document.text) for document in drawn)
    nats = -sum(document.log_probability for document in drawn)
    return CorpusSummary(
        notice=NOTICE,
        domain=domain,
        seed=seed,
        names=str(names),
        n_documents=n,
        n_characters=n_characters,
        kinds=dict(sorted(Counter(document.kind for document in drawn).items())),
        nats_a_document=nats / n,
        nats_a_character=nats / n_characters,
        sha256=digest(content),
    )


def read_corpus(path: Path) -> Corpus:
    """Read a user's own documents: the lines of a text file, or the field `text` of each line of a .jsonl file.

    Empty lines are left out. The log of a probability in the field `log_probability` is kept if every record has it.

    Raises:
        UsageError: It is missing, no file or not to be opened, too large, has no document, or a line is not UTF-8, too
            long or no such record.
        FileAccessError: The disk fails.
    """
    try:
        content = read_file(path, most=MAX_FILE_BYTES)
    except OSError as error:
        raise _not_opened(path, error) from error
    if len(content) > MAX_FILE_BYTES:
        raise UsageError(f"{path} has more than {MAX_FILE_BYTES:,} bytes, the most that a corpus may have.")
    records = list(_records(path, content))
    if not records:
        raise UsageError(f"{path} holds no document; write one a line.")
    documents = tuple(record.text for record in records)
    known = [record.log_probability for record in records if record.log_probability is not None]
    return Corpus(documents, tuple(known) if len(known) == len(records) else None)


def require_corpus(path: Path) -> None:
    """Require that a user's own documents are there, without reading them.

    Raises:
        UsageError: There is no such file, or it cannot be opened.
        FileAccessError: The disk fails.
    """
    try:
        open_plain(path).close()
    except OSError as error:
        raise _not_opened(path, error) from error


def _not_opened(path: Path, error: OSError) -> CoreError:
    """Tell a name of no readable file, which another attempt finds as it is, from a disk that fails."""
    if isinstance(error, (FileNotFoundError, NotADirectoryError, NotPlainError, PermissionError)):
        return UsageError(f"{path}, the corpus, cannot be read: {error.strerror}. Name a readable file as corpus.")
    return access_error(path, "read", error)


class _Record(msgspec.Struct, frozen=True):
    text: str
    log_probability: float | None = None


def _records(path: Path, content: bytes) -> Iterator[_Record]:
    for number, raw in enumerate(content.split(b"\n"), start=1):
        try:
            line = raw.decode("utf-8").strip("\r")
            record = _Record(line) if path.suffix != _RECORDS or not line else decode_json(raw, _Record)
        except UnicodeDecodeError as error:
            raise UsageError(f"{path}, line {number}, is not UTF-8 (byte {error.start + 1}).") from None
        except msgspec.DecodeError as error:
            raise UsageError(f"{path}, line {number}, is no record with a field text: {error}.") from None
        if len(record.text) > MAX_CHARACTERS:
            raise UsageError(
                f"{path}, line {number}, has {len(record.text):,} characters; a document has at most "
                f"{MAX_CHARACTERS:,}. Split it into several lines."
            )
        if record.text:
            yield record


def _line(document: "DrawnDocument") -> bytes:
    return document.text.encode()


def _record(document: "DrawnDocument") -> bytes:
    return msgspec.json.encode(
        {
            "text": document.text,
            "kind": document.kind,
            "log_probability": document.log_probability,
            "facts": document.facts,
            "synthetic": True,
        }
    )
