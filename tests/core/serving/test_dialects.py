"""A dialect owns its paths, its form and its description: an added dialect needs no change elsewhere."""

from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from core.access import VerbClass
from core.actor import Actor, Origin
from core.errors import CoreError
from core.losses import AnswerForm
from core.models.scoring.fields import Field, Rows
from core.serving.access import Role
from core.serving.app import FrontDoor
from core.serving.authenticator import Caller
from core.serving.control.predict_paths import predict_paths
from core.serving.dialects import DIALECTS, Answered, Dialect, Reader, ReadRequest
from core.serving.dialects.dialect import ModelPath, ServerPath
from core.serving.errors import BadRequestError
from core.serving.limits import ServingLimits
from core.serving.predict import Predictor
from core.serving.reads import Reads
from core.serving.signature import ServingSignature
from core.serving.stats import ServerStats, VersionStats
from core.serving.table import LoadedVersion, ServedModel, ServingTable

NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Lines(Dialect):
    """A value a field, one row a line, commas between; the answer is a number a line."""

    name = "lines"
    title = "Lines"
    predict_path = "/lines/{which}"
    request_schema = {"type": "string"}
    answer_schema = {"type": "string"}
    refusal_schema = {"type": "string", "examples": ["! There is no model spread."]}
    content_type = b"text/plain"
    model_paths = (ModelPath("/lines/{which}/names", "Names", lambda served, version: (200, sorted(served.versions))),)
    server_paths = (ServerPath("/lines", "The server", lambda: {"speaks": "lines"}),)

    def reader(self, signature: ServingSignature) -> Reader:
        names = [field.name for field in signature.fields]

        def read(content: bytes) -> ReadRequest:
            rows = [line.split(",") for line in content.decode().splitlines()]
            if any(len(row) != len(names) for row in rows):
                raise BadRequestError(f"must have {len(names)} values", field="line")
            return ReadRequest(signature.convert_text({name: [row[k] for row in rows] for k, name in enumerate(names)}))

        return read

    def reply(self, asked: ReadRequest, answered: Answered) -> bytes:
        return "\n".join(map(str, answered.values)).encode()

    def refusal(self, error: CoreError) -> bytes:
        return f"! {error}".encode()


class Admits:
    """Lets everybody in."""

    def admit(self, headers: Any, client: Any, *, takes: VerbClass, is_read: bool) -> Caller:
        """Refuse nobody."""
        return Caller(Actor("anybody", "desk", Origin.API), Role.VIEWER)

    async def admit_waiting(self, headers: Any, client: Any, *, takes: VerbClass, is_read: bool) -> Caller:
        """Refuse nobody."""
        return self.admit(headers, client, takes=takes, is_read=is_read)


class Sums:
    """Answers with the sum of a row's numbers."""

    is_fast = True
    form = AnswerForm()
    signature = ServingSignature([Field(name="price", kind="float"), Field(name="desk", kind="text")])

    def checked_answer(self, rows: Rows) -> Any:
        """Add up."""
        return rows.numbers.sum(axis=1)


class Records:
    """Keeps nothing."""

    def predicted(self, *what: Any, **more: Any) -> None:
        """Forget it."""


async def ask(door: FrontDoor, method: str, path: str, body: bytes = b"") -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": [], "client": ("127.0.0.1", 1)}
    await door(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), b"".join(part.get("body", b"") for part in sent[1:])


@pytest.fixture
def door() -> FrontDoor:
    predictor = Predictor(Admits(), Records(), ServerStats(), ServingLimits())  # type: ignore[arg-type]
    predictor.table = ServingTable(is_complete=True, is_read=True)
    reads = Reads(Admits(), None, lambda: predictor.table)  # type: ignore[arg-type]
    return FrontDoor(predictor, reads, None, (*DIALECTS, Lines()))  # type: ignore[arg-type]


def load(door: FrontDoor) -> None:
    version = LoadedVersion("sums", "1.0.0", Sums(), VersionStats(), loaded_at=NOW, seconds=0.0)  # type: ignore[arg-type]
    served = ServedModel(model="sums", registered={}, versions={"1.0.0": version}, live="1.0.0", default=version)
    door._predictor.table = ServingTable(models={"sums": served}, is_complete=True, is_read=True)


async def test_an_added_dialect_reads_text_and_answers_in_its_own_form(door):
    load(door)

    status, headers, body = await ask(door, "POST", "/lines/sums", b"1.5,rates\n2e1,credit")

    assert (status, headers[b"content-type"], body) == (HTTPStatus.OK, b"text/plain", b"1.5\n20.0")
    status, headers, body = await ask(door, "POST", "/lines/sums", b"dear,rates")
    assert (status, headers[b"content-type"]) == (HTTPStatus.BAD_REQUEST, b"text/plain")
    assert body == b"! The field price has the value 'dear'; it must be a number."


@pytest.mark.parametrize("cell", ["nan", "inf", "1_0", "0x1", "１", " 1", "1,5", "--1"])
def test_a_cell_that_is_no_plain_number_is_refused(cell):
    with pytest.raises(BadRequestError, match="must be a number"):
        Sums.signature.convert_text({"price": [cell], "desk": ["rates"]})


@pytest.mark.parametrize(("cell", "number"), [("1", 1.0), ("-.5", -0.5), ("+2.", 2.0), ("1E-3", 0.001)])
def test_a_plain_number_is_read(cell, number):
    assert Sums.signature.convert_text({"price": [cell], "desk": ["rates"]}).numbers.tolist() == [[number]]


def test_flags_and_empty_cells_are_read_as_such():
    signature = ServingSignature([Field(name="is_new", kind="bool"), Field(name="note", kind="text", nullable=True)])

    rows = signature.convert_text({"is_new": ["True", "0"], "note": ["", "late"]})

    assert (rows.numbers.tolist(), list(rows.texts)) == ([[1.0], [0.0]], [(None,), ("late",)])
    with pytest.raises(BadRequestError, match="must be true or false"):
        signature.convert_text({"is_new": ["yes"], "note": ["x"]})


async def test_an_added_dialect_answers_on_its_own_paths_in_its_own_form(door):
    status, headers, body = await ask(door, "POST", "/lines/spread", b"1,2")

    assert (status, headers[b"content-type"]) == (HTTPStatus.NOT_FOUND, b"text/plain")
    assert body == b"! There is no model 'spread'. Choose from: none yet."
    assert (await ask(door, "GET", "/lines"))[2] == b'{"speaks":"lines"}'
    assert (await ask(door, "GET", "/lines/spread/names"))[0] == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("path", ["/lines/spread", "/lines/spread/versions/1.0.0", "/lines/spread/labels/champion"])
async def test_a_predict_path_accepts_only_posts(door, path):
    status, headers, body = await ask(door, "GET", path)

    assert (status, headers[b"allow"]) == (HTTPStatus.METHOD_NOT_ALLOWED, b"POST")
    assert (headers[b"content-type"], body) == (b"text/plain", b"! This path accepts POST requests only.")


@pytest.mark.parametrize("path", ["/lines", "/v2/", "/health", "/v2/health/live"])
async def test_a_read_only_path_refuses_posts(door, path):
    status, headers, _ = await ask(door, "POST", path)

    assert (status, headers[b"allow"]) == (HTTPStatus.METHOD_NOT_ALLOWED, b"GET")


async def test_a_name_with_pattern_characters_is_not_a_pattern(door):
    assert (await ask(door, "GET", "/linesX/spread/names"))[0] == HTTPStatus.NOT_FOUND
    assert (await ask(door, "POST", "/v1/models/spreadXpredict"))[0] == HTTPStatus.METHOD_NOT_ALLOWED


def test_an_added_dialect_describes_itself():
    paths = predict_paths((*DIALECTS, Lines()))

    operation = paths["/lines/{model}/versions/{version}"]["post"]
    assert operation["summary"] == "Predict (Lines)"
    assert list(operation["requestBody"]["content"]) == ["text/plain"]
    assert operation["responses"]["404"]["content"] == {"text/plain": {"schema": Lines.refusal_schema}}
    assert paths["/lines/{model}/names"]["get"]["summary"] == "Names (Lines)"
    assert paths["/lines"]["get"]["summary"] == "The server (Lines)"


def test_no_two_dialects_share_a_name_or_a_path():
    names = [dialect.name for dialect in DIALECTS]
    paths = [dialect.predict_path for dialect in DIALECTS] + [
        path.path for dialect in DIALECTS for path in (*dialect.model_paths, *dialect.list_paths, *dialect.server_paths)
    ]

    assert len(set(names)) == len(names)
    assert len(set(paths)) == len(paths)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_the_page_on_serving_describes_every_dialect(dialect):
    page = (Path(__file__).parents[3] / "docs" / "serving.md").read_text(encoding="utf-8")
    prefix = dialect.predict_path.partition("{which}")[0]

    assert f"$URL{prefix}" in page, f"docs/serving.md has no example of a request to {prefix}"
