"""E-mail to a real server on loopback: what arrives, and what is said if nothing does."""

import subprocess
import sys
from contextlib import contextmanager
from datetime import timedelta
from email import message_from_bytes, policy
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from core.alerts import AlertState
from core.alerts.delivery.channels.email import EmailChannel
from core.alerts.delivery.errors import DeliveryError
from core.alerts.delivery.secret import Secrets
from core.clock import utc_now
from tests.core.alerts.delivery.told import a_message, an_alert
from tests.waiting import PATIENCE_SECONDS

WAIT = {"timeout_seconds": PATIENCE_SECONDS}


@contextmanager
def mail_server(spool, mode="plain"):
    spool.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tests.smtp_server", str(spool), mode]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield int(server.stdout.readline())
        finally:
            server.kill()


def channel(port, **fields):
    known = {
        "to": "Ada <ada@example.com>, grace@example.com",
        "from": "bondx@example.com",
        "smarthost": f"127.0.0.1:{port}",
        "require_tls": False,
    }
    return EmailChannel({**known, **fields}, Secrets(place="alertmanager.yml:3:1", is_private=True), "here")


def mails(spool):
    found = sorted(spool.glob("*.eml"))
    return [message_from_bytes(path.read_bytes(), policy=policy.default) for path in found]


def test_a_mail_has_text_and_html_and_the_thread_of_its_group(tmp_path):
    with mail_server(tmp_path / "spool") as port:
        delivered = channel(port).send(a_message(), **WAIT)
        channel(port).send(a_message(an_alert(state=AlertState.RESOLVED), reason="resolved"), **WAIT)
    first, second = mails(tmp_path / "spool")
    assert first["To"] == "Ada <ada@example.com>, grace@example.com"
    assert first["Subject"] == "[firing] critical gate_failed: coverage is 80.0%, below 95.0%"
    assert first["Message-ID"] == delivered.reference
    assert first["Message-ID"] != second["Message-ID"]
    assert first["References"] == second["References"] == second["In-Reply-To"]
    text = first.get_body(("plain",)).get_content()
    for words in (
        "What: coverage is 80.0%, below 95.0%",
        "Since: 2026-03-02 09:00 UTC",
        "Value: 80, limit 95",
        "Suspect version: spread 1.2.0 is live.",
        "What to do: Look at the data.",
        "Acknowledge: bondx alerts acknowledge ",
    ):
        assert words in text
    assert "<code>bondx alerts acknowledge" in first.get_body(("html",)).get_content()


def test_addresses_and_subject_follow_the_labels(tmp_path):
    fields = {
        "to": "{{ range .Alerts }}{{ .Labels.model }}@desk.example, {{ end }}boss@desk.example",
        "from": "{{ .CommonLabels.severity }}@bondx.example",
        "headers": {"Subject": "{{ .CommonLabels.model }} {{ .Status }}", "X-Team": '{{ template "none" . }}'},
    }
    with mail_server(tmp_path / "spool") as port:
        channel(port, **fields).send(a_message(), **WAIT)
    (mail,) = mails(tmp_path / "spool")
    assert mail["To"] == "spread@desk.example, boss@desk.example"
    assert mail["From"] == "critical@bondx.example"
    assert mail["Subject"] == "spread firing"
    assert not mail["X-Team"]


def test_a_message_without_an_address_is_given_up():
    with pytest.raises(DeliveryError, match="to of a mail must be") as raised:
        channel(25, to="{{ .CommonLabels.none }}").send(a_message(), **WAIT)
    assert raised.value.is_permanent


@pytest.mark.parametrize("name", ["Reply-To", "Cc", "Sender", "Resent-To"])
def test_a_label_that_makes_no_header_loses_the_header_and_not_the_mail(name, tmp_path):
    fields = {"headers": {name: "{{ .CommonLabels.owner }}", "X-Desk": "rates"}}
    with mail_server(tmp_path / "spool") as port:
        channel(port, **fields).send(a_message(an_alert(labels={"owner": "ada <"})), **WAIT)
        channel(port, **fields).send(a_message(an_alert(labels={"owner": "ada@example.com"})), **WAIT)
    without, with_it = mails(tmp_path / "spool")
    assert (without[name], without["X-Desk"]) == (None, "rates")
    assert with_it[name] == "ada@example.com"


def test_a_header_that_can_never_be_written_is_refused():
    with pytest.raises(DeliveryError, match=r"here: headers\.Reply-To of a mail is no value"):
        channel(25, headers={"Reply-To": "ada <"})


def test_a_repetition_has_the_same_message_id(tmp_path):
    message = a_message()
    assert channel(25).mail(message)["Message-ID"] == channel(25).mail(message)["Message-ID"]


def test_no_text_becomes_a_header_or_markup(tmp_path):
    hostile = an_alert(summary="a\r\nBcc: eve@example.com\r\n\r\n<script>alert(1)</script>", labels={})
    with mail_server(tmp_path / "spool") as port:
        channel(port, headers={"X-Desk": "a\nBcc: eve@example.com", "X Bad": "b"}).send(a_message(hostile), **WAIT)
    (mail,) = mails(tmp_path / "spool")
    assert mail["Bcc"] is None
    assert "<script>" not in mail.get_body(("html",)).get_content()
    assert "X Bad" not in mail


@pytest.mark.parametrize("to", ["ada@example.com\nBcc: eve@example.com", "", "no address"])
def test_an_address_that_is_none_is_refused(to):
    with pytest.raises(DeliveryError, match="must be one or more mail addresses"):
        channel(25, to=to)


@pytest.mark.parametrize(
    ("mode", "says", "is_permanent"),
    [
        ("busy", "451 try again later", False),
        ("refuses", "550 no such user", True),
        ("drops", "failed: Connection unexpectedly closed", False),
    ],
)
def test_a_refusal_is_told_in_words(tmp_path, mode, says, is_permanent):
    with mail_server(tmp_path / "spool", mode) as port, pytest.raises(DeliveryError, match=says) as refused:
        channel(port).send(a_message(), **WAIT)
    assert refused.value.is_permanent == is_permanent


def test_a_server_that_answers_byte_by_byte_is_left_in_time(tmp_path):
    with (
        mail_server(tmp_path / "spool", "drips") as port,
        pytest.raises(DeliveryError, match=r"did not answer within 0\.2 s"),
    ):
        channel(port).send(a_message(), timeout_seconds=0.2)


def test_a_login_is_made_and_a_wrong_password_is_in_no_error(tmp_path):
    with mail_server(tmp_path / "spool", "login") as port:
        channel(port, auth_username="ada", auth_password="s3cret-word").send(a_message(), **WAIT)
        with pytest.raises(DeliveryError, match="535 wrong") as refused:
            channel(port, auth_username="ada", auth_password="another-word").send(a_message(), **WAIT)
    assert "another-word" not in str(refused.value)
    assert not refused.value.is_permanent
    assert len(mails(tmp_path / "spool")) == 1


def test_a_server_without_tls_is_refused_unless_it_is_trusted(tmp_path):
    with mail_server(tmp_path / "spool") as port, pytest.raises(DeliveryError, match="offers no STARTTLS"):
        channel(port, require_tls=True).send(a_message(), **WAIT)


def test_a_server_that_is_away_is_named():
    with pytest.raises(DeliveryError, match=r"127\.0\.0\.1:1 failed: Connection refused"):
        channel(1).send(a_message(), **WAIT)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of 127.0.0.1, signed by itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(utc_now() - timedelta(days=1))
        .not_valid_after(utc_now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = tmp_path_factory.mktemp("certificate") / "certificate.pem"
    path.write_bytes(made.public_bytes(Encoding.PEM) + private)
    return path


@pytest.mark.parametrize(("mode", "fields"), [("starttls", {}), ("smtps", {"force_implicit_tls": True})])
def test_a_mail_goes_over_tls_to_a_server_whose_certificate_is_trusted_alone(tmp_path, certificate, mode, fields):
    (spool := tmp_path / "spool").mkdir()
    (spool / "certificate.pem").write_bytes(certificate.read_bytes())
    with mail_server(spool, mode) as port:
        trusting = channel(port, require_tls=True, tls_config={"ca_file": str(certificate)}, **fields)
        trusting.send(a_message(), **WAIT)
        with pytest.raises(DeliveryError, match=r"failed: .*certificate"):
            channel(port, require_tls=True, **fields).send(a_message(), **WAIT)
    assert len(mails(spool)) == 1
