"""The digest of a tag, asked of a registry by the OCI distribution API, with the standard library alone.

Anonymous: a token is fetched where the registry asks for one, and no credentials are known or sent. Only `images lock`
comes here.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glmdeploy import reference
from glmdeploy.diagnostics import Diagnostic, ProfileError, Span

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import Message
    from http.client import HTTPMessage
    from typing import IO

# An index of several architectures first: its digest is what a tag means to every runtime.
_ACCEPT = (
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
)
_MAX_BYTES = 4_194_304  # what registries allow a manifest
_HUB_API = "registry-1.docker.io"  # where Docker Hub speaks the API
_LOOPBACK = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?\Z")
_PARAMETER = re.compile(r'([a-zA-Z_]+)="([^"]*)"')
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TOO_MANY = 401, 403, 404, 429
_NO_HEAD = frozenset([405, 501])


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Message
    body: bytes


def digest(text: str, *, timeout: float = 30) -> str:
    """The digest that the tag of ``text`` has now; ProfileError with GLM611 to GLM615 otherwise."""
    found = reference.parse(text)
    if found is None:
        raise _problem("GLM611", text, f"`{text}` is not an image reference", "`NAME:TAG`")
    if found.digest:
        return found.digest
    return _Asking(text, found, timeout).digest()


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow a registry's redirects, but to trusted places only."""

    def __init__(self, trusted: Callable[[str], None]) -> None:
        self.trusted = trusted

    def redirect_request(  # noqa: PLR0917  the signature of the base class
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        self.trusted(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Asking:
    def __init__(self, text: str, found: reference.Reference, timeout: float) -> None:
        self.text = text
        self.host = _HUB_API if found.host == reference.DOCKER_HUB else found.host
        scheme = "http" if _LOOPBACK.match(self.host) else "https"
        self.url = f"{scheme}://{self.host}/v2/{found.repository}/manifests/{found.tag or 'latest'}"
        self.repository = found.repository
        self.timeout = timeout
        self.token = ""

    def digest(self) -> str:
        answer = self.manifest("HEAD")
        if answer.status in _NO_HEAD or (answer.status < 300 and not _named(answer)):  # noqa: PLR2004  success
            answer = self.manifest("GET")
            self.refuse(answer)
            counted = f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
            if _named(answer) not in {"", counted}:
                raise self.problem("GLM615", f"the manifest has {counted}, and the registry says {_named(answer)}")
            return counted
        self.refuse(answer)
        if not reference.DIGEST.match(_named(answer)):
            raise self.problem("GLM615", "the registry names no sha256 digest")
        return _named(answer)

    def manifest(self, method: str) -> _Answer:
        answer = self.ask(method, self.url)
        if answer.status == _UNAUTHORIZED and not self.token:
            self.token = self.authorised(answer.headers.get("WWW-Authenticate", ""))
            answer = self.ask(method, self.url)
        return answer

    def authorised(self, challenge: str) -> str:
        """A token for reading, from where the registry's challenge points."""
        scheme, _, rest = challenge.partition(" ")
        given = dict(_PARAMETER.findall(rest))
        if scheme.lower() != "bearer" or not given.get("realm"):
            raise self.problem("GLM613", "the registry wants credentials, and none are sent", _BY_HAND)
        query = {"scope": given.get("scope") or f"repository:{self.repository}:pull"}
        query |= {"service": given["service"]} if given.get("service") else {}
        realm = given["realm"]
        answer = self.ask("GET", f"{realm}{'&' if '?' in realm else '?'}{urllib.parse.urlencode(query)}")
        if answer.status in {_UNAUTHORIZED, _FORBIDDEN}:
            raise self.problem("GLM613", "the registry gives no anonymous token", _BY_HAND)
        self.refuse(answer)
        try:
            data = json.loads(answer.body)
            token = data.get("token") or data.get("access_token")
        except (ValueError, AttributeError, RecursionError):
            token = None
        if not isinstance(token, str) or not token.isprintable():
            raise self.problem("GLM615", "the token service gave no token")
        return token

    def ask(self, method: str, url: str) -> _Answer:
        """One request; an answer of any status, or GLM612 when there is none."""
        self.trusted(url)
        request = urllib.request.Request(url, method=method)  # noqa: S310  the scheme has just been checked
        request.add_header("Accept", _ACCEPT)
        request.add_header("User-Agent", "glmdeploy")
        if self.token:
            request.add_unredirected_header("Authorization", f"Bearer {self.token}")  # not to another host
        opener = urllib.request.build_opener(_Redirects(self.trusted))
        try:
            with opener.open(request, timeout=self.timeout) as response:
                body = response.read(_MAX_BYTES + 1)
                answer = _Answer(response.status, response.headers, body)
        except urllib.error.HTTPError as error:
            with error:
                return _Answer(error.code, error.headers, b"")
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise self.problem("GLM612", f"`{self.host}` cannot be asked: {reason}") from None
        if len(answer.body) > _MAX_BYTES:
            raise self.problem("GLM615", f"the answer is larger than {_MAX_BYTES:,} bytes")
        return answer

    def trusted(self, url: str) -> None:
        """Only https, but for this machine itself."""
        parts = urllib.parse.urlsplit(url)
        local = parts.scheme == "http" and _LOOPBACK.match(parts.netloc)
        if parts.scheme != "https" and not local:
            raise self.problem("GLM615", f"the registry points to `{parts.scheme}`, not https")

    def refuse(self, answer: _Answer) -> None:
        status = answer.status
        if status == _NOT_FOUND:
            raise self.problem("GLM614", "the registry has no such image or tag")
        if status in {_UNAUTHORIZED, _FORBIDDEN}:
            raise self.problem("GLM613", f"the registry refuses to say (status {status})", _BY_HAND)
        if status == _TOO_MANY:
            raise self.problem("GLM613", "the registry wants fewer requests (status 429)", "try again later")
        if status >= 300:  # noqa: PLR2004  all that is not success
            raise self.problem("GLM615", f"the registry answers with status {status}")

    def problem(self, code: str, message: str, hint: str = "") -> ProfileError:
        return _problem(code, self.text, f"`{self.text}`: {message}", hint)


_BY_HAND = "log in with your container tool, look the digest up there, and write it into the file"


def _named(answer: _Answer) -> str:
    return answer.headers.get("Docker-Content-Digest") or ""


def _problem(code: str, text: str, message: str, hint: str = "") -> ProfileError:
    return ProfileError([Diagnostic(code, message, span=Span(ascii(text)[1:-1]), hint=hint)])
