"""HTTP with the standard library: one connection a request, no redirect followed, the key for one host alone.

`httpx` would bring seven packages and its own time-outs, which count between bytes; what is wanted here is less.
"""

from __future__ import annotations

import http.client
import json
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from glmdeploy import __version__
from glmdeploy.diagnostics import printable
from glmdeploy.probe.wire import Deadline, NoAnswerError, connect

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from email.message import Message

    from glmdeploy.probe.address import Address

LIMIT = 4_194_304  # bytes of one answer
QUOTED = 200  # characters of a server's text in a message
_MASK = "***"
_OK = range(200, 300)
_REDIRECTS = range(300, 400)
_READ = 65_536


@dataclass(frozen=True)
class Answer:
    """A whole answer, its body as text."""

    status: int
    headers: Message
    text: str
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether the status says success."""
        return self.status in _OK

    @property
    def kind(self) -> str:
        """The content type, without parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True)
class Client:
    """A server, the key to it, and the time that all its requests have together and one by one (seconds)."""

    address: Address
    key: str = field(repr=False)
    total: Deadline
    each: float
    limit: int = LIMIT

    def clean(self, text: str) -> str:
        """A server's text without the key, in whatever case, and without control characters."""
        return printable(re.sub(re.escape(self.key), _MASK, text, flags=re.IGNORECASE) if self.key else text)

    def quote(self, text: str) -> str:
        """A server's text as a part of a message: one line, cut."""
        return self._line(text, QUOTED)

    def sentence(self, text: str) -> str:
        """A whole message that may hold a server's text: one line, cut where it is far too long."""
        return self._line(text, 3 * QUOTED)

    def _line(self, text: str, most: int) -> str:
        line = " ".join(self.clean(text.replace("\n", " ").replace("\r", " ")).split())
        return line if len(line) <= most else f"{line[:most]}..."

    def get(self, path: str, *, key: str | None = None) -> Answer:
        """The answer of any status to a GET; ``key`` instead of the client's own. NoAnswerError: none, or a redirect."""
        return self._whole(Request("GET", path, None, self.key if key is None else key))

    def post(self, path: str, body: Mapping[str, Any], *, key: str | None = None) -> Answer:
        """The answer of any status to JSON; otherwise as ``get``."""
        return self._whole(Request("POST", path, body, self.key if key is None else key))

    def stream(self, path: str, body: Mapping[str, Any]) -> Stream:
        """The answer to JSON as it comes; NoAnswerError when none begins."""
        return Stream(self, Request("POST", path, body, self.key, "text/event-stream, application/json"))

    def _whole(self, request: Request) -> Answer:
        exchange = Exchange(self, request)
        raw = b"".join(exchange.chunks())
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            raise NoAnswerError(f"the answer is not UTF-8 (byte {error.start})") from None
        headers = exchange.response.headers
        return Answer(exchange.response.status, headers, text, time.monotonic() - exchange.sent)


@dataclass(frozen=True)
class Request:
    """What is asked, and with which key."""

    method: str
    path: str
    body: Mapping[str, Any] | None
    key: str = field(repr=False)
    accept: str = "*/*"

    @property
    def data(self) -> bytes | None:
        """The body as JSON."""
        return None if self.body is None else json.dumps(self.body).encode()

    @property
    def headers(self) -> dict[str, str]:
        """All headers but the host's."""
        found = {"User-Agent": f"glmdeploy/{__version__}", "Accept": self.accept, "Accept-Encoding": "identity"}
        found |= {"Connection": "close"}
        found |= {"Authorization": f"Bearer {self.key}"} if self.key else {}
        found |= {"Content-Type": "application/json"} if self.body is not None else {}
        return found | ({"anthropic-version": "2023-06-01"} if self.path.startswith("/v1/messages") else {})


class Exchange:
    """A request that was sent, and the response that began; NoAnswerError when none did."""

    def __init__(self, client: Client, request: Request) -> None:
        self.client = client
        self.deadline = client.total.within(client.each)
        self.connection = connect(client.address, self.deadline, client.limit)
        headers = {"Host": client.address.authority, **request.headers}
        path = client.address.prefix + request.path
        self.sent = time.monotonic()
        with self.guarded():
            self.connection.request(request.method, path, body=request.data, headers=headers)
            self.response = self.connection.getresponse()
        if self.response.status in _REDIRECTS:
            self.connection.close()
            where = client.quote(self.response.headers.get("Location", ""))
            raise NoAnswerError(f"redirects (status {self.response.status}) to `{where}`; not followed", _MOVED)

    def guarded(self) -> _Guard:
        """A block in which what goes wrong becomes NoAnswerError, and closes the connection."""
        return _Guard(self)

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes; NoAnswerError when it ends too early, too late or not at all."""
        try:
            with self.guarded():
                while chunk := self.response.read1(_READ):
                    yield chunk
                if self.response.length:
                    raise http.client.IncompleteRead(b"", self.response.length)
        finally:
            self.connection.close()


_MOVED = "give the URL that the server has now; a key is not sent to another place than the one it was given for"


class _Guard:
    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, GeneratorExit):
            return
        self.exchange.connection.close()
        if isinstance(error, TimeoutError):
            hint = "`--request-timeout` and `--timeout` give it longer"
            raise NoAnswerError(
                f"no whole answer within {self.exchange.deadline.seconds:.3g} s", hint, late=True
            ) from None
        if isinstance(error, http.client.IncompleteRead):
            raise NoAnswerError("the answer breaks off: the server closed the connection too early") from None
        if isinstance(error, http.client.RemoteDisconnected):
            raise NoAnswerError("the server closed the connection without an answer") from None
        if isinstance(error, http.client.HTTPException | ValueError):
            said = self.exchange.client.quote(f"{type(error).__name__}: {error}")
            raise NoAnswerError(f"the answer is not HTTP ({said})") from None
        if isinstance(error, OSError):
            raise NoAnswerError(f"the connection failed: {error.strerror or type(error).__name__}") from None


class Stream:
    """An answer of server-sent events as it comes: status and headers first, then ``events``."""

    def __init__(self, client: Client, request: Request) -> None:
        self.exchange = Exchange(client, request)
        response = self.exchange.response
        self.status, self.headers = response.status, response.headers
        self.sent = self.exchange.sent

    def text(self) -> str:
        """All of it as text, for an answer that is no stream."""
        return b"".join(self.exchange.chunks()).decode(errors="replace")

    def events(self) -> Iterator[Event]:
        """Each event, when it is complete; NoAnswerError as ``Exchange.chunks``."""
        lines: list[str] = []
        for line in _lines(self.exchange.chunks()):
            if line:
                lines.append(line)
            elif event := _event(lines, time.monotonic()):
                yield event
                lines = []
            else:
                lines = []
        if event := _event(lines, time.monotonic()):  # the last blank line is often missing
            yield event


@dataclass(frozen=True)
class Event:
    """A server-sent event: its name, its data, and when it was complete (seconds of the monotonic clock)."""

    name: str
    data: str
    at: float


def _event(lines: list[str], at: float) -> Event | None:
    fields = [(name, value.removeprefix(" ")) for name, _, value in (line.partition(":") for line in lines)]
    data = [value for name, value in fields if name == "data"]
    names = [value for name, value in fields if name == "event"]
    return Event(names[-1] if names else "", "\n".join(data), at) if data else None


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    """Lines of text, each as soon as its end is there."""
    begun: list[bytes] = []  # of a line: joined once, so that a line of many pieces costs no more than its length
    for chunk in chunks:
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            begun.append(piece)
            yield _line(begun)
            begun = []
        begun.append(rest)
    if last := _line(begun):
        yield last


def _line(pieces: list[bytes]) -> str:
    return b"".join(pieces).removesuffix(b"\r").decode(errors="replace")
