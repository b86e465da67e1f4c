"""Elasticsearch with a certificate of an own authority, and a name and a password."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mlsandbox_serving.elasticsearch.client import Client, Unreachable


class _Echo(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f'{{"who": "{self.headers.get("Authorization")}"}}'.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Be silent."""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for this machine that nobody knows, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(1))
        .not_valid_after(now + dt.timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "certificate.pem"
    plain = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + plain)
    return file


@pytest.fixture
def address(certificate: Path) -> Iterator[str]:
    """Of a server that answers with who asked."""
    server = HTTPServer(("127.0.0.1", 0), _Echo)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("beside", [True, False])
def test_own_authority(address: str, certificate: Path, monkeypatch: pytest.MonkeyPatch, *, beside: bool) -> None:
    """With its authority at hand, or in SSL_CERT_FILE, it must be asked, in the name that the URL has."""
    if not beside:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    who = Client(f"https://elastic:p%40ss@{address}", certificate if beside else None).request("GET", "/")["who"]

    assert base64.b64decode(who.removeprefix("Basic ")) == b"elastic:p@ss"


def test_unknown_authority(address: str) -> None:
    """A certificate that nobody vouches for must be refused, and the password not be told."""
    with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED") as caught:
        Client(f"https://elastic:hidden@{address}").request("GET", "/")

    assert "hidden" not in str(caught.value)
