"""HTTPS: the client trusts only certificates of the given authority."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core.client import BackOff, BrokenAnswerError, Client, RejectedError, UnreachableError
from core.serving import ListenError, Server
from tests.core.client.timeouts import PATIENT
from tests.waiting import until

ROW = {"area": 50, "floor": 2, "age": "old"}
NOW = datetime.now(UTC)


class Authority:
    """A certificate authority of one test."""

    def __init__(self, folder, name):
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        made = self._certificate(self._name, self._key, is_authority=True)
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def vouch(self, host, *, until=NOW + timedelta(days=2)):
        """Make the files of a certificate and its key for a server at an address."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        made = self._certificate(name, key, host=host, until=until)
        chain, secret = self._folder / f"{host}-{until:%j}.pem", self._folder / f"{host}-{until:%j}.key"
        chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return chain, secret

    def _certificate(self, subject, key, *, host=None, is_authority=False, until=NOW + timedelta(days=2)):
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=9))
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        if host:
            names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"), "ours")


@pytest.fixture(scope="module")
def serving(served):
    """Serve the workspace under a certificate, until the end of the module."""
    servers = []

    def serve(certificate, **options):
        chain, key = certificate
        server = Server(served.workspace, "127.0.0.1", 0, certificate=chain, key=key, **options)
        servers.append(server)
        server.start()
        until(lambda: server.table.is_complete, "a server that is ready")
        return server.url

    yield serve
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def good(serving, authority):
    return SimpleNamespace(url=serving(authority.vouch("127.0.0.1")), authority=authority.file)


@pytest.mark.parametrize("dialect", ["rows", "v2", "tf-rest"])
def test_a_good_certificate_is_trusted(good, served, dialect):
    assert good.url.startswith("https://")
    with Client(good.url, dialect, authority=good.authority, token=served.token, timeouts=PATIENT) as client:
        assert 300 < client.predict("rent", ROW).value < 1_200
        assert client.health("rent").ready


def refused(url, authority):
    with (
        Client(url, authority=authority, back_off=BackOff(attempts=1), timeouts=PATIENT) as client,
        pytest.raises(UnreachableError, match="certificate"),
    ):
        client.predict("rent", ROW)


def test_a_certificate_of_another_authority_is_not_trusted(good, tmp_path):
    refused(good.url, Authority(tmp_path, "another").file)


def test_a_certificate_without_a_well_known_authority_is_not_trusted(good):
    refused(good.url, None)


def test_a_certificate_for_another_host_is_not_trusted(serving, authority):
    refused(serving(authority.vouch("127.0.0.2")), authority.file)


def test_an_expired_certificate_is_not_trusted(serving, authority):
    refused(serving(authority.vouch("127.0.0.1", until=NOW - timedelta(days=1))), authority.file)


def test_a_file_that_is_not_an_authority_is_refused_in_one_sentence(good, tmp_path):
    (tmp_path / "none.pem").write_text("no certificate")
    with pytest.raises(RejectedError, match="cannot be used as a certificate authority"):
        Client(good.url, authority=tmp_path / "none.pem")


@pytest.fixture(scope="module")
def mutual(serving, authority):
    url = serving(authority.vouch("127.0.0.1"), client_authority=authority.file)
    return SimpleNamespace(url=url, authority=authority.file)


class TestMutualTls:
    def test_admits_a_client_with_a_certificate_of_the_authority(self, mutual, served, authority):
        identity = authority.vouch("127.0.0.3")
        with Client(
            mutual.url, authority=mutual.authority, identity=identity, token=served.token, timeouts=PATIENT
        ) as client:
            assert 300 < client.predict("rent", ROW).value < 1_200

    @pytest.mark.parametrize("of", ["nobody", "another"])
    def test_admits_no_other_client(self, mutual, served, of, tmp_path):
        identity = None if of == "nobody" else Authority(tmp_path, of).vouch("127.0.0.3")
        with (
            Client(
                mutual.url,
                authority=mutual.authority,
                identity=identity,
                token=served.token,
                back_off=BackOff(attempts=1),
                timeouts=PATIENT,
            ) as client,
            pytest.raises((UnreachableError, BrokenAnswerError)),  # TLS 1.3 refuses after the client's last word
        ):
            client.predict("rent", ROW)

    def test_needs_a_certificate_of_the_server(self, served, authority):
        with pytest.raises(ListenError, match="give --certificate, too"):
            Server(served.workspace, "127.0.0.1", 0, client_authority=authority.file)

    def test_with_a_file_that_is_no_certificate_is_refused_in_one_sentence(self, mutual, tmp_path):
        (tmp_path / "none.pem").write_text("no certificate")
        with pytest.raises(RejectedError, match="cannot be used as a certificate"):
            Client(mutual.url, identity=(tmp_path / "none.pem", tmp_path / "none.pem"))
