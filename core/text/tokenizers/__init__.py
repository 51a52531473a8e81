"""Tokenizers: a text becomes numbers, and the numbers become exactly the text again, whatever it is."""

from core.text.tokenizers.byte_pairs import BytePairTokenizer
from core.text.tokenizers.gpt2 import Gpt2Tokenizer
from core.text.tokenizers.stored import load_tokenizer, read_tokenizer, save_tokenizer, spell_tokenizer
from core.text.tokenizers.tokenizer import END, Tokenizer, TokenizerError
from core.text.tokenizers.trained import KINDS, VocabularyReport, train_tokenizer, vocabulary_report
from core.text.tokenizers.words import WordTokenizer

__all__ = [
    "END",
    "KINDS",
    "BytePairTokenizer",
    "Gpt2Tokenizer",
    "Tokenizer",
    "TokenizerError",
    "VocabularyReport",
    "WordTokenizer",
    "load_tokenizer",
    "read_tokenizer",
    "save_tokenizer",
    "spell_tokenizer",
    "train_tokenizer",
    "vocabulary_report",
]
