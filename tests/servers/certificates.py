"""A throw-away certificate authority, and a certificate for the loopback interface."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import trustme

from tests.servers.ports import LOOPBACK


@dataclass(frozen=True)
class Certificates:
    """The files of an authority and of one server that it vouches for, in PEM.

    Attributes:
        authority: The authority's certificate: what a client has to trust.
        certificate: The server's certificate, for 127.0.0.1 and localhost.
        key: The server's private key.
    """

    authority: Path
    certificate: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """Return the server's side of TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


@contextmanager
def throw_away() -> Iterator[Certificates]:
    """Make an authority and a server's certificate, of which nothing is left afterwards."""
    authority = trustme.CA()
    server = authority.issue_cert(LOOPBACK, "localhost")
    with TemporaryDirectory(prefix="ca-") as directory:
        names = ("authority", "certificate", "key")
        files = Certificates(*(Path(directory, f"{name}.pem") for name in names))
        authority.cert_pem.write_to_path(files.authority)
        (chain,) = server.cert_chain_pems
        chain.write_to_path(files.certificate)
        server.private_key_pem.write_to_path(files.key)
        yield files
