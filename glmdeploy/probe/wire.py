"""A connection that is bounded: no read or write outlasts its deadline, and no answer grows beyond its size.

A socket's own time-out starts anew with each byte, so that a server which sends one a second would never run into it.
Here the time that is left is set before every system call.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

from glmdeploy.diagnostics import GlmdeployError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glmdeploy.probe.address import Address

_FIRST = 10.0  # seconds for one of several addresses of a host, before the next one is tried


class NoAnswerError(GlmdeployError):
    """A server gave nothing that can be used: ``str`` says why; ``hint``, what to do; ``late``, that time was up."""

    def __init__(self, message: str, hint: str = "", *, late: bool = False) -> None:
        super().__init__(message)
        self.hint = hint
        self.late = late


class Deadline:
    """A point in time, in seconds of the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.at = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds until then; TimeoutError when there are none."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def within(self, seconds: float) -> Deadline:
        """The earlier one of this and ``seconds`` from now."""
        return Deadline(max(0.0, min(seconds, self.at - time.monotonic())))


class _Reader(io.RawIOBase):
    """What a socket receives, until the deadline or the size is reached."""

    def __init__(self, sock: socket.socket, deadline: Deadline, limit: int) -> None:
        super().__init__()
        self.sock, self.deadline, self.left, self.limit = sock, deadline, limit, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.sock.settimeout(self.deadline.left())
        count = self.sock.recv_into(buffer)
        self.left -= count
        if self.left < 0:
            raise NoAnswerError(f"the answer is larger than {self.limit:,} bytes; the rest was not read")
        return count


class Socket:
    """The part of a socket that `http.client` uses."""

    def __init__(self, sock: socket.socket, deadline: Deadline, limit: int) -> None:
        self.sock, self.deadline, self.limit = sock, deadline, limit

    def sendall(self, data: bytes) -> None:
        """Send all of it before the deadline, or TimeoutError."""
        view = memoryview(data)
        while view:
            self.sock.settimeout(self.deadline.left())
            view = view[self.sock.send(view) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        """What is received, as a file."""
        del mode
        return io.BufferedReader(_Reader(self.sock, self.deadline, self.limit))

    def close(self) -> None:
        """Close the connection."""
        self.sock.close()


def connect(address: Address, deadline: Deadline, limit: int) -> http.client.HTTPConnection:
    """An open connection, encrypted where the scheme says so; NoAnswerError otherwise. Proxies are not asked."""
    try:
        sock = _first(_look_up(address, deadline), deadline)
        if address.scheme == "https":
            sock = _encrypted(sock, address, deadline)
    except TimeoutError:
        raise NoAnswerError(f"no connection within {deadline.seconds:.3g} s", late=True) from None
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", "") or error.reason or "not TLS"
        hint = "`SSL_CERT_FILE` names a file of authorities to trust; a server without TLS has an `http://` URL"
        raise NoAnswerError(f"no encrypted connection: {reason}", hint) from None
    except OSError as error:
        hint = "is the server started, and is this its port? a server binds when its weights are loaded"
        raise NoAnswerError(f"no connection: {error.strerror or error}", hint) from None
    connection = http.client.HTTPConnection(address.host, address.port)
    connection.sock = Socket(sock, deadline, limit)
    return connection


def _look_up(address: Address, deadline: Deadline) -> Sequence[Any]:
    """The addresses of a host. The resolver takes no time-out, so it is asked in a thread that may be left behind."""
    found: list[Any] = []

    def ask() -> None:
        try:
            found.append(socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.append(error if isinstance(error, OSError) else OSError("not a host's name"))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(deadline.left())
    if not found:
        raise TimeoutError
    if isinstance(found[0], OSError):
        raise found[0]
    addresses: Sequence[Any] = found[0]
    return addresses


def _first(addresses: Sequence[Any], deadline: Deadline) -> socket.socket:
    """A socket to the first address that takes a connection; the last one's OSError otherwise."""
    problem: OSError = OSError("the host has no address")
    for family, kind, protocol, _, at in addresses:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(min(_FIRST, deadline.left()) if len(addresses) > 1 else deadline.left())
            sock.connect(at)
        except OSError as error:
            sock.close()
            problem = error
        else:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
    raise problem


def _encrypted(sock: socket.socket, address: Address, deadline: Deadline) -> ssl.SSLSocket:
    sock.settimeout(deadline.left())  # Python counts the handshake as one operation
    try:
        return ssl.create_default_context().wrap_socket(sock, server_hostname=address.host)
    except BaseException:  # also Ctrl-C: no socket stays open, and it is raised again
        sock.close()
        raise
