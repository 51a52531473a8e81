"""E-mail over SMTP: text and HTML, one thread for each group, over TLS unless the settings say otherwise."""

import hashlib
import html
import re
import smtplib
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, getaddresses
from socket import SHUT_RDWR
from typing import Any, ClassVar, Final

from core.alerts.delivery.channel import Delivered
from core.alerts.delivery.errors import DeliveryError
from core.alerts.delivery.message import AlertMessage
from core.alerts.delivery.secret import Secret, Secrets
from core.alerts.delivery.templates import TemplatedField
from core.alerts.delivery.wording import MOST_SHOWN, Fact, facts, footers, headline, one_line, plain_text
from core.escape import escaped
from core.promql.template_reading import NO_LIBRARY, TemplateLibrary

_SMTPS_PORT: Final = 465
_HEADER_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_OURS: Final = frozenset(
    {"from", "to", "date", "message-id", "references", "in-reply-to", "content-type", "mime-version"}
)
_CONFIGURATION: Final = frozenset({530, 534, 535, 538})
"""Codes that refuse the login and not the message."""


class EmailChannel:
    """Sends one mail to all addresses of a block; a repetition has the same Message-ID."""

    kind: ClassVar[str] = "email"
    can_deduplicate: ClassVar[bool] = True
    tracks_incidents: ClassVar[bool] = False

    def __init__(
        self, fields: Mapping[str, Any], secrets: Secrets, place: str, library: TemplateLibrary = NO_LIBRARY
    ) -> None:
        """Read the block `email_configs`.

        Raises:
            DeliveryError: An address or the server is missing or invalid, or a secret cannot be read.
        """
        self._place = place
        self._secrets = secrets
        self._to = TemplatedField(fields.get("to"), place, "to", library=library)
        self._from = TemplatedField(fields.get("from"), place, "from", library=library)
        for given, name in ((self._to, "to"), (self._from, "from")):
            if given.is_fixed:
                self._addresses(given.written, name)
        self._host, self._port = self._smarthost(str(fields.get("smarthost") or ""))
        self._hello = str(fields.get("hello") or "localhost")
        self._user = str(fields.get("auth_username") or "")
        self._password = secrets.field(fields, "auth_password") or secrets.field(fields, "auth_secret")
        self._requires_tls = bool(fields.get("require_tls", True))
        self._implicit_tls = bool(fields.get("force_implicit_tls", self._port == _SMTPS_PORT))
        self._tls: Mapping[str, Any] = fields.get("tls_config") or {}
        headers: Mapping[str, Any] = fields.get("headers") or {}
        self._headers = {
            name: TemplatedField(text, place, f"headers.{name}", is_needed=False, library=library)
            for name, text in headers.items()
        }
        for name, text in self._headers.items():
            if text.is_fixed and _HEADER_NAME.fullmatch(name) and not _can_be_written(name, text.written):
                raise DeliveryError(f"{place}: headers.{name} of a mail is no value of this header.")

    @property
    def unused(self) -> list[str]:
        """The headers whose templates cannot be filled in, with the reason."""
        return [header.problem for header in self._headers.values() if header.problem]

    @property
    def addressee(self) -> str:
        """The addresses."""
        if not self._to.is_fixed:
            return self._to.written
        return ", ".join(address.addr_spec for address in self._addresses(self._to.written, "to"))

    def send(self, message: AlertMessage, *, timeout_seconds: float) -> Delivered:
        """Send one mail; see `Channel.send`."""
        mail = self.mail(message)
        (sender,) = (address.addr_spec for address in mail["From"].addresses)
        to = [address.addr_spec for address in mail["To"].addresses]
        try:
            with self._connection(timeout_seconds) as server:
                refused = server.send_message(mail, sender, to)
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            said = "; ".join(f"{to}: {_said(reply)}" for to, reply in error.recipients.items())
            raise self._error(f"refuses every recipient ({said})", is_permanent=min(codes) >= 500) from None
        except smtplib.SMTPResponseException as error:
            is_permanent = error.smtp_code >= 500 and error.smtp_code not in _CONFIGURATION
            is_login = isinstance(error, smtplib.SMTPAuthenticationError)
            raise self._error(
                f"answered {_said((error.smtp_code, error.smtp_error))}", is_permanent=is_permanent and not is_login
            ) from None
        except TimeoutError:
            raise self._error(f"did not answer within {timeout_seconds:g} s") from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise self._error(f"failed: {getattr(error, 'strerror', None) or error}") from None
        detail = f"accepted by {self._host}"
        if refused:
            detail += f", but not for {', '.join(f'{to} ({_said(reply)})' for to, reply in refused.items())}"
        return Delivered(self._secrets.hide(escaped(detail)), str(mail["Message-ID"]))

    def mail(self, message: AlertMessage) -> EmailMessage:
        """Return a message as a mail."""
        mail = EmailMessage(policy=SMTP)
        sender = self._addresses(self._from.filled(message), "from")[0]
        to = self._addresses(self._to.filled(message), "to")
        domain = sender.domain or "bondx.invalid"
        mail["From"] = sender
        mail["To"] = to
        own = {name: text.filled(message) for name, text in self._headers.items() if name.lower() not in _OURS}
        subjects = [text for name, text in own.items() if name.lower() == "subject" and text.strip()]
        mail["Subject"] = one_line(subjects[0]) if subjects else headline(message)
        mail["Date"] = format_datetime(message.created_at)
        addressees = ", ".join(address.addr_spec for address in to)
        mail["Message-ID"] = f"<{message.notification_id}.{_digest(addressees)}@{domain}>"
        thread = f"<{_thread_of(message)}@{domain}>"
        mail["References"] = thread
        mail["In-Reply-To"] = thread
        mail["Auto-Submitted"] = "auto-generated"
        for name, text in own.items():
            is_header = name.lower() != "subject" and _HEADER_NAME.fullmatch(name)
            if is_header and _can_be_written(name, text):  # what a label makes of it loses the header, not the mail
                mail[name] = one_line(text)
        mail.set_content(plain_text(message))
        mail.add_alternative(html_text(message), subtype="html")
        return mail

    @contextmanager
    def _connection(self, timeout_seconds: float) -> Iterator[smtplib.SMTP]:
        context = self._context()
        # Not connected by the constructor: the greeting of the server counts against the time, too.
        if self._implicit_tls:
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                local_hostname=self._hello, timeout=timeout_seconds, context=context
            )
        else:
            server = smtplib.SMTP(local_hostname=self._hello, timeout=timeout_seconds)
        vars(server)["_host"] = self._host  # the name that the certificate must have, which only the constructor sets
        with _ending_after(server, timeout_seconds):
            try:
                code, greeting = server.connect(self._host, self._port)
                if code != 220:
                    raise smtplib.SMTPConnectError(code, greeting)
                server.ehlo()
                if not self._implicit_tls and server.has_extn("starttls"):
                    server.starttls(context=context)
                    server.ehlo()
                elif not self._implicit_tls and self._requires_tls:
                    raise self._error("offers no STARTTLS: set require_tls: false if its network is trusted")
                if self._user and self._password is not None:
                    self._login(server, self._password)
                yield server
                with suppress(smtplib.SMTPException, OSError):  # the mail is accepted, whatever comes now
                    server.quit()
            finally:
                server.close()

    def _login(self, server: smtplib.SMTP, password: Secret) -> None:
        try:
            server.login(self._user, password.reveal())
        except smtplib.SMTPNotSupportedError:
            raise self._error("offers no login: remove auth_username, or use TLS") from None

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self._tls.get("ca_file"))
        if self._tls.get("insecure_skip_verify"):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if certificate := self._tls.get("cert_file"):
            context.load_cert_chain(certificate, self._tls.get("key_file"))
        return context

    def _addresses(self, given: str, name: str) -> tuple[Address, ...]:
        """Read mail addresses; a line break or another control character is no part of one."""
        try:
            if not given.isprintable():
                raise ValueError
            found = tuple(Address(display_name=shown, addr_spec=spec) for shown, spec in getaddresses([given]) if spec)
            if not found:
                raise ValueError
        except (ValueError, IndexError, MessageError):
            # Of a template, it is this message alone that has no address.
            is_permanent = not (self._to if name == "to" else self._from).is_fixed
            problem = f"{self._place}: {name} of a mail must be one or more mail addresses."
            raise DeliveryError(problem, is_permanent=is_permanent) from None
        return found

    def _smarthost(self, text: str) -> tuple[str, int]:
        host, _, port = text.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65_536:
            raise DeliveryError(f"{self._place}: smarthost (or global.smtp_smarthost) must be HOST:PORT.")
        return host.removeprefix("[").removesuffix("]"), int(port)

    def _error(self, problem: str, *, is_permanent: bool = False) -> DeliveryError:
        words = self._secrets.hide(escaped(" ".join(problem.split())))[:300].rstrip(".")
        return DeliveryError(f"The mail server {self._host}:{self._port} {words}.", is_permanent=is_permanent)


def html_text(message: AlertMessage) -> str:
    """Return a message as HTML in which every text from outside is escaped."""
    tables = "".join(
        "<table cellpadding='4' style='border-collapse:collapse;margin:0 0 12px'>"
        + "".join(_row(fact) for fact in facts(alert))
        + "</table>"
        for alert in message.alerts[:MOST_SHOWN]
    )
    closing = "".join(f"<p style='color:#666'>{html.escape(line)}</p>" for line in footers(message))
    return (
        "<!DOCTYPE html><html><body style='font-family:sans-serif'>"
        f"<h3>{html.escape(headline(message))}</h3>{tables}{closing}</body></html>"
    )


def _row(fact: Fact) -> str:
    text = html.escape(fact.text).replace("\n", "<br>")
    if fact.is_command:
        text = f"<code>{text}</code>"
    if fact.is_link:
        text = f'<a href="{html.escape(fact.text, quote=True)}">{text}</a>'
    return f"<tr><td style='vertical-align:top'><b>{html.escape(fact.name)}</b></td><td>{text}</td></tr>"


@contextmanager
def _ending_after(server: smtplib.SMTP, seconds: float) -> Iterator[None]:
    """Within it, a server that answers byte by byte is left once the time is over; its socket's own limit starts anew.

    Raises:
        TimeoutError: The time is over.
    """
    is_over = threading.Event()

    def end() -> None:
        is_over.set()
        with suppress(OSError):
            if server.sock is not None:
                server.sock.shutdown(SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (smtplib.SMTPServerDisconnected, OSError):
        if is_over.is_set():
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()


def _thread_of(message: AlertMessage) -> str:
    """Return the name of the thread: that of the group, from the day on which its oldest alert began."""
    began = min((alert.starts_at for alert in message.alerts), default=message.created_at)
    return f"{_digest(message.group_key)}.{began:%Y%m%d}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _can_be_written(name: str, text: str) -> bool:
    """Say whether a header can be; the library reads addresses, and fails in many ways on what is none."""
    alone = EmailMessage(policy=SMTP)
    try:
        alone[name] = one_line(text)
        alone.as_bytes()
    except Exception:
        return False
    return True


def _said(reply: tuple[int, bytes | str]) -> str:
    code, text = reply
    return f"{code} {text.decode('utf-8', 'replace') if isinstance(text, bytes) else text}"
