"""Text models: a corpus with a known truth, tokenizers, models of language, and what they are judged by."""
