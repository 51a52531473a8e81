"""The client against our own server in a process of its own, in the three dialects it speaks."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from core.client import (
    Client,
    NotAllowedError,
    NotSpokenError,
    Outcome,
    RejectedError,
    UnknownModelError,
)
from tests.core.client.timeouts import PATIENT

ROWS = [{"area": 50, "floor": 2, "age": "old"}, {"area": 90.0, "floor": 0, "age": "new"}]
DIALECTS = ("rows", "v2", "tf-rest")


@pytest.fixture(params=DIALECTS)
def client(request: pytest.FixtureRequest, served: SimpleNamespace):
    with Client(served.url, request.param, timeouts=PATIENT) as found:
        yield found


def test_each_row_gets_one_number(client: Client, served: SimpleNamespace) -> None:
    one, two = client.predict("rent", ROWS[0]), client.predict("rent", ROWS, request_id="r-2")
    assert two.values[0] == one.value
    assert 300 < two.values[0] < two.values[1] < 1_200
    assert (two.version, two.request_id) == (served.version, "r-2")


def test_the_dialects_agree(served: SimpleNamespace) -> None:
    answers = []
    for dialect in DIALECTS:
        with Client(served.url, dialect, timeouts=PATIENT) as client:
            answers.append(client.predict("rent", ROWS).values)
    assert answers[0] == answers[1] == answers[2]


def test_a_label_or_a_version_selects_the_answering_version(client: Client, served: SimpleNamespace) -> None:
    labelled = client.predict("rent", ROWS[0], label="production")
    assert labelled.version == served.version
    assert client.predict("rent", ROWS[0], version=served.version).value == labelled.value


@pytest.mark.parametrize(
    ("model", "which"),
    [("nobody", {}), ("rent", {"version": "9.9.9"}), ("rent", {"label": "moon"}), ("a/b:c", {})],
    ids=["model", "version", "label", "odd name"],
)
def test_an_unknown_model_version_or_label_is_reported(client: Client, model: str, which: dict[str, str]) -> None:
    with pytest.raises(UnknownModelError) as caught:
        client.predict(model, ROWS[0], **which)
    assert caught.value.status == 404


def test_metadata_lists_every_field(client: Client) -> None:
    found = client.metadata("rent")
    assert {one.name for one in found.inputs} == {"area", "floor", "age"}
    assert len(found.outputs) == 1


def test_version_states_show_the_available_version(client: Client, served: SimpleNamespace) -> None:
    assert [(one.version, one.is_available) for one in client.versions("rent")] == [(served.version, True)]


def test_health_of_server_and_models(client: Client) -> None:
    assert client.health().ready
    assert client.health("rent").ready
    nobody = client.health("nobody")
    assert nobody.live
    assert not nobody.ready
    assert "nobody" in nobody.reasons[0]


def test_a_wrong_value_names_its_field(client: Client) -> None:
    with pytest.raises(RejectedError) as caught:
        client.predict("rent", ROWS[0] | {"area": "large"})
    assert caught.value.field == "area"


def test_a_missing_field_is_named(client: Client) -> None:
    with pytest.raises(RejectedError) as caught:
        client.predict("rent", {"area": 50, "floor": 2})
    assert caught.value.field == "age"


def test_outcomes_are_accepted_only_with_a_token(served: SimpleNamespace) -> None:
    with Client(served.url, token=served.token, timeouts=PATIENT) as client:
        told = client.predict("rent", ROWS)
        about = [Outcome(request_id=told.request_id, row=n, actual=1.0) for n in range(2)]
        found = client.report([*about, Outcome(request_id="not predicted yet", actual=1.0)])
        assert (found.n_accepted, found.n_matched, found.n_unmatched) == (3, 2, 1)
        assert client.report(about).n_repeated == 2
        with pytest.raises(RejectedError, match=r"finite number from -1e.12 to 1e.12") as caught:
            client.report([about[0], Outcome(request_id="r-2", actual=1e200)])
        assert caught.value.field == "outcomes[1].actual"
    with Client(served.url, timeouts=PATIENT) as client, pytest.raises(NotAllowedError, match="token"):
        client.report(Outcome(request_id="r-1", actual=1.0))


def test_a_wrong_token_is_not_allowed(served: SimpleNamespace) -> None:
    with (
        Client(served.url, token="wrong", timeouts=PATIENT) as client,
        pytest.raises(NotAllowedError, match="unknown, expired or revoked"),
    ):
        client.predict("rent", ROWS[0])


@pytest.mark.parametrize("dialect", ["v2", "tf-rest"])
def test_a_dialect_without_outcomes_refuses_them(served: SimpleNamespace, dialect: str) -> None:
    with Client(served.url, dialect, timeouts=PATIENT) as client, pytest.raises(NotSpokenError, match="rows"):
        client.report(Outcome(request_id="r-1", actual=1.0))


def test_threads_share_a_client(client: Client) -> None:
    rows = [ROWS[0] | {"area": 20 + n} for n in range(40)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda row: client.predict("rent", row).value, rows))
    assert answers == pytest.approx(client.predict("rent", rows).values)
