"""What a caller asks for, and the answers, in OpenAI's form of completions."""

import logging
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from core.errors import CoreError
from core.escape import shown
from core.field_problems import field_problem
from core.json_documents import decode_json
from core.serving.decoding import check_keys
from core.serving.errors import BadRequestError, ServingError, TooLargeError, UnknownVersionError
from core.text.sampling import MAX_NEW_TOKENS, MAX_PROMPT_CHARACTERS, SamplingOptions, WrittenText

log = logging.getLogger(__name__)

MAX_CHOICES = 8
_DEFAULT_TOKENS = 64
TIME = "time"
"""How a document ends that was not written within `serving.answer_seconds`."""
LEFT = "left"
"""How a document ends whose caller has left, or has taken it more slowly than it was written."""


class CompletionRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request for completions; fields of OpenAI's that are not here are refused by name, not ignored."""

    model: str = ""
    prompt: Annotated[str, Meta(max_length=MAX_PROMPT_CHARACTERS)] = ""
    max_tokens: Annotated[int, Meta(ge=1, le=MAX_NEW_TOKENS)] = _DEFAULT_TOKENS
    temperature: Annotated[float, Meta(ge=0, le=2)] = 1.0
    top_p: Annotated[float, Meta(gt=0, le=1)] = 1.0
    n: Annotated[int, Meta(ge=1, le=MAX_CHOICES)] = 1
    seed: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    stop: (
        Annotated[str, Meta(min_length=1, max_length=200)]
        | Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=200)], ...], Meta(max_length=4)]
        | None
    ) = None
    stream: bool = False
    echo: bool = False
    user: str = ""

    @property
    def leaves_end_to_model(self) -> bool:
        """Whether a text that a limit cuts off says something of its version, and not of what its caller asked for."""
        return self.max_tokens >= _DEFAULT_TOKENS and not self.stop

    def options(self, seed: int) -> SamplingOptions:
        """Return how each document is written.

        Args:
            seed: The seed, where the caller named none.
        """
        stop = (self.stop,) if isinstance(self.stop, str) else self.stop or ()
        return SamplingOptions(
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            seed=seed if self.seed is None else self.seed,
            stop=stop,
        )


def read_request(body: bytes, name: str | None) -> CompletionRequest:
    """Read a request.

    Args:
        body: Its body.
        name: The name of the model that is asked; None: the request names it.
    Raises:
        BadRequestError: It is no such request.
        CallerFaultError: It has a key twice in one object.
        TooLargeError: It asks for more tokens than one request may have.
        UnknownVersionError: It asks for another model.
    """
    try:
        asked = decode_json(body, CompletionRequest)
    except msgspec.ValidationError as error:
        field, problem = field_problem(error)
        raise BadRequestError(problem if field else f"The request {problem}.", field=field or None) from None
    except msgspec.DecodeError as error:
        raise BadRequestError(f"The body is no request for completions: {error}.") from None
    check_keys(body)
    if name is not None and asked.model not in ("", name):
        raise UnknownVersionError("model", asked.model, [name])
    if asked.n * asked.max_tokens > MAX_NEW_TOKENS:
        raise TooLargeError(
            f"n × max_tokens is {asked.n * asked.max_tokens:,}; one request may have {MAX_NEW_TOKENS:,} tokens."
        )
    if asked.stream and asked.n > 1:
        raise BadRequestError("n must be 1 with stream: ask once for each document.")
    return asked


def choice(index: int, text: str, finish: str | None) -> dict[str, Any]:
    """Return one document of an answer, or a piece of it."""
    reason = {"end": "stop", "stop": "stop", "length": "length", TIME: "time_limit", LEFT: "time_limit", None: None}[
        finish
    ]
    return {"index": index, "text": text, "logprobs": None, "finish_reason": reason}


def completion(
    identifier: str, created: int, name: str, choices: list[dict[str, Any]], *, notice: str
) -> dict[str, Any]:
    """Return an answer, with the notice that it is synthetic."""
    return {
        "id": identifier,
        "object": "text_completion",
        "created": created,
        "model": name,
        "choices": choices,
        "notice": notice,
    }


def usage(n_prompt: int, written: list[WrittenText]) -> dict[str, int]:
    """Return how many tokens were read and written."""
    n_written = sum(each.n_tokens for each in written)
    return {"prompt_tokens": n_prompt, "completion_tokens": n_written, "total_tokens": n_prompt + n_written}


def failure(message: str, status: int) -> bytes:
    """Return an error in OpenAI's form."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": None, "code": None}})


def told(error: Exception) -> CoreError:
    """Return what a caller is told of an error; what no caller has caused is in the log alone."""
    if isinstance(error, CoreError):
        return error
    log.error("a request for a text could not be answered", exc_info=error)
    return ServingError("The model failed on this request; see the server log for details.")


def unknown_path(path: str) -> str:
    """Return the sentence for a path that there is not."""
    return f"There is no path {shown(path)}. Paths: POST /v1/completions, GET /v1/models, GET /health."
