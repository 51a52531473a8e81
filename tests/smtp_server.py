"""A mail server in a process of its own: `python -m tests.smtp_server SPOOL MODE` prints its port and keeps each mail.

With SPOOL/certificate.pem (certificate and key) it offers STARTTLS; in mode `smtps` it speaks TLS from the beginning.

MODE: `plain`, `starttls`, `smtps`, `login` (asks for user ada, password s3cret-word), `busy` (refuses with 451 until
the file SPOOL/open exists), `refuses` (550 for every recipient), `drops` (closes after DATA), `drips` (answers byte by
byte, without end).
"""

import base64
import socket
import socketserver
import ssl
import sys
import time
from pathlib import Path


class Session(socketserver.StreamRequestHandler):
    """One connection."""

    spool: Path
    mode: str

    def setup(self) -> None:
        if self.mode == "smtps":
            self.request = self.encrypted(self.request)
        super().setup()

    def encrypted(self, connection: socket.socket) -> ssl.SSLSocket:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.spool / "certificate.pem")
        return context.wrap_socket(connection, server_side=True)

    def start_tls(self) -> None:
        self.say("220 go on")
        self.request = self.encrypted(self.request)
        super().setup()

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())

    def handle(self) -> None:
        if self.mode == "drips":
            self.drip()
            return
        self.say("220 loopback ESMTP")
        while line := self.rfile.readline().decode("utf-8", "replace").strip():
            word = line.split(" ")[0].upper()
            if word in ("EHLO", "HELO"):
                self.wfile.write(b"250-loopback\r\n" + (b"250-AUTH PLAIN\r\n" if self.mode == "login" else b""))
                if self.mode == "starttls" and not isinstance(self.request, ssl.SSLSocket):
                    self.say("250-STARTTLS")
                self.say("250 SIZE 1000000")
            elif word == "STARTTLS":
                self.start_tls()
            elif word == "AUTH":
                self.login(line)
            elif word == "RCPT" and self.mode == "refuses":
                self.say("550 no such user")
            elif word == "MAIL" and self.mode == "busy" and not (self.spool / "open").exists():
                self.say("451 try again later")
            elif word == "DATA":
                if not self.take():
                    return
            elif word == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")

    def login(self, line: str) -> None:
        given = base64.b64decode(line.split(" ")[2])
        if given == b"\0ada\0s3cret-word":
            self.say("235 welcome")
        else:
            self.say(f"535 wrong: {given.decode()!r}")  # a server that repeats the secret

    def take(self) -> bool:
        self.say("354 go on")
        lines = []
        while (line := self.rfile.readline()) and line.rstrip(b"\r\n") != b".":
            lines.append(line)
        if self.mode == "drops":
            return False
        n_mails = len(list(self.spool.glob("*.eml")))
        unfinished = self.spool / "unfinished"
        unfinished.write_bytes(b"".join(lines))
        unfinished.rename(self.spool / f"{n_mails}.eml")
        self.say("250 queued")
        return True

    def drip(self) -> None:
        while True:
            try:
                self.wfile.write(b"2")
            except OSError:
                return
            time.sleep(0.005)


def main(spool: str, mode: str) -> None:
    """Serve until killed."""
    Session.spool, Session.mode = Path(spool), mode
    socketserver.ThreadingTCPServer.daemon_threads = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
