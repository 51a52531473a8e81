"""Names and patterns that settings hold; a blank one would match nothing in silence."""

from typing import Annotated

from msgspec import Meta

Name = Annotated[str, Meta(pattern=r"\S", extra={"form_of_text": "expected text that is not blank"})]

ModelPattern = Annotated[
    str,
    Meta(
        # The rule of model names (core/registry/numbering.py), and the wildcards of `fnmatch`.
        pattern=r"^(?:[a-z0-9_*?-]|\[[^\]\s]+\])+(?![\s\S])",
        extra={
            "form_of_text": "expected the name of a model, or a pattern such as desk_*: "
            "lowercase letters, digits, - and _, with * and ? as wildcards"
        },
    ),
]
