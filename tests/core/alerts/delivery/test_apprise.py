"""Services by an address of apprise: no redirect is followed, and each channel hears of its own failure alone."""

import threading

import pytest

from core.alerts.delivery.channels.apprise_url import AppriseChannel
from core.alerts.delivery.errors import DeliveryError
from core.alerts.delivery.secret import Secret, Secrets
from tests.alert_receivers import Answer, http_receiver
from tests.core.alerts.delivery.told import a_message
from tests.waiting import PATIENCE_SECONDS

# The library imports every service, and one of them a module of the standard library that is going away.
pytestmark = pytest.mark.filterwarnings("ignore:'.*' is deprecated and slated for removal:DeprecationWarning")


def channel_to(receiver, path="/"):
    url = Secret(receiver.url(path).replace("http://", "json://"))
    return AppriseChannel(url, Secrets(place="alerts.channels of ops", is_private=False), "alerts.channels of ops")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_to_another_server_is_not_followed(status, http):
    with http_receiver() as elsewhere:
        http.usual = Answer(status, headers={"location": elsewhere.url("/taken")})
        with pytest.raises(DeliveryError, match="json was not reached"):
            channel_to(http).send(a_message(), timeout_seconds=PATIENCE_SECONDS)
        assert len(http.requests) == 1
        assert elsewhere.requests == []


def test_who_wants_redirects_says_so_in_the_address(http):
    with http_receiver() as elsewhere:
        http.usual = Answer(307, headers={"location": elsewhere.url("/taken")})
        channel_to(http, "/?redirect=yes").send(a_message(), timeout_seconds=PATIENCE_SECONDS)
        assert [request.path for request in elsewhere.requests] == ["/taken"]


def test_channels_that_fail_at_the_same_time_keep_their_errors_apart(http):
    together = threading.Barrier(2)

    def answer(request):
        together.wait(PATIENCE_SECONDS)  # both wait for an answer now, and get one each at the same moment
        return Answer(401 if request.path == "/one" else 404)

    http.choose = answer
    errors = {}

    def send(path):
        try:
            channel_to(http, path).send(a_message(), timeout_seconds=PATIENCE_SECONDS)
        except DeliveryError as error:
            errors[path] = str(error)
        together.wait(PATIENCE_SECONDS)

    for _ in range(5):
        threads = [threading.Thread(target=send, args=(path,)) for path in ("/one", "/two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
        assert "401" in errors["/one"]
        assert "404" not in errors["/one"]
        assert "404" in errors["/two"]
        assert "401" not in errors["/two"]
