"""Write a report to the pull request as one comment, and to the same comment the next time.

`python -m glmdeploy.github_comment FILE` reads the mark in the first line of FILE, looks for a comment that starts with
it and that a bot or the token's own user wrote, and updates it, or writes a new one. A token that may not write, such as
that of a pull request from a fork, is said and is no failure. The token is sent to GITHUB_API_URL alone and is never
printed; redirections are not followed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from glmdeploy import github_event

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SECONDS = 20.0  # of silence, and for one whole answer
_PAGES = 100  # of 100 comments
_MAX_BYTES = 32 * 1024 * 1024  # one page of comments of 65,536 characters each
_MARK = re.compile(r"<!-- glmdeploy-[a-z]+ -->")
_NEXT = re.compile(r'<([^<>]+)>\s*;[^,]*\brel="?next"?')
_FORBIDDEN, _MISSING = 403, 404
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


class CommentError(Exception):
    """A sentence on why the comment was not written; ``status`` is HTTP's, 0 where nothing was answered."""

    def __init__(self, message: str, status: int = 0) -> None:
        self.status = status
        super().__init__(message)


class _Stay(HTTPRedirectHandler):
    """A redirection could take the token to another host."""

    def redirect_request(self, *_: object) -> None:
        return None


@dataclass(frozen=True)
class Api:
    """The REST API of GitHub, as the runner names it."""

    url: str
    token: str
    seconds: float = SECONDS

    def ask(self, method: str, url: str, data: dict[str, str] | None = None) -> tuple[Any, str]:
        """The answer and the address of its next page; CommentError when there is none."""
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "User-Agent": "glmdeploy",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        body = json.dumps(data).encode() if data is not None else None
        request = Request(url, body, headers, method=method)  # noqa: S310  the scheme was looked at
        try:
            status, links, text = self._send(request)
            if status >= 300:  # noqa: PLR2004  redirections are not followed
                raise CommentError(f"{method} {urlsplit(url).path}: {status} {_said(text)}", status)
            return json.loads(text), self._next(links)
        except TimeoutError:
            raise CommentError(f"{method} {urlsplit(url).path}: no answer in {self.seconds:g} s") from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, TimeoutError):
                raise CommentError(f"{method} {urlsplit(url).path}: no answer in {self.seconds:g} s") from None
            raise CommentError(f"{method} {urlsplit(url).path}: {reason or type(error).__name__}") from None
        except ValueError:
            raise CommentError(f"{method} {urlsplit(url).path}: the answer is no JSON") from None

    def _send(self, request: Request) -> tuple[int, str, bytes]:
        try:
            with build_opener(_Stay).open(request, timeout=self.seconds) as answer:
                return int(answer.status), answer.headers.get("Link") or "", self._read(answer)
        except HTTPError as error:
            with error:
                return error.code, "", self._read(error)

    def _read(self, answer: Any) -> bytes:
        """The whole body; TimeoutError when it drips, ValueError when it does not end."""
        end, parts, size = time.monotonic() + self.seconds, [], 0
        while part := answer.read1(65_536):
            parts.append(part)
            size += len(part)
            if time.monotonic() > end:
                raise TimeoutError
            if size > _MAX_BYTES:
                raise ValueError
        return b"".join(parts)

    def _next(self, links: str) -> str:
        """The next page, unless it is another server's: that one is not to see the token."""
        found = _NEXT.search(links)
        if not found:
            return ""
        here, there = urlsplit(self.url), urlsplit(found[1])
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            raise CommentError(f"the next page of comments is on another server: {there.netloc}")
        return found[1]


def _said(text: bytes) -> str:
    """GitHub's own message, without anything that the runner would take for a command."""
    try:
        message = json.loads(text).get("message", "")
    except (ValueError, AttributeError):
        return ""
    return "".join(c if c.isprintable() else " " for c in str(message))[:200]


def post(api: Api, repository: str, number: int, body: str, mark: str) -> str:
    """Write the comment; what was done, as a word. CommentError when it was not."""
    issues = f"{api.url}/repos/{repository}/issues"
    for comment in _marked(api, f"{issues}/{number}/comments?per_page=100", mark):
        if _own(api, comment):
            if str(comment["body"]).split() == body.split():
                return "unchanged"
            api.ask("PATCH", f"{issues}/comments/{comment['id']}", {"body": body})
            return "updated"
    api.ask("POST", f"{issues}/{number}/comments", {"body": body})
    return "created"


def _marked(api: Api, url: str, mark: str) -> Iterator[dict[str, Any]]:
    for _ in range(_PAGES):
        found, url = api.ask("GET", url)
        for comment in found if isinstance(found, list) else []:
            lines = str(comment.get("body") or "").splitlines()
            if lines[: mark.count("\n") + 1] == mark.split("\n"):
                yield comment
        if not url:
            return
    raise CommentError(f"more than {_PAGES} pages of comments")


def _own(api: Api, comment: dict[str, Any]) -> bool:
    """Whether a bot wrote it, as GITHUB_TOKEN is one, or the user whose token it is; a person's comment is never touched."""
    user = comment.get("user") or {}
    if user.get("type") == "Bot":
        return True
    try:
        me, _ = api.ask("GET", f"{api.url}/user")
    except CommentError as error:
        if error.status not in {_FORBIDDEN, _MISSING}:
            raise
        return False  # an app's token has no user
    return isinstance(me, dict) and me.get("login") == user.get("login")


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m glmdeploy.github_comment",
        description="Write a report to the pull request of GITHUB_EVENT_PATH as one comment, or update that comment.",
        epilog="example: python -m glmdeploy.github_comment comment.md --of clusters/eu",
    )
    parser.add_argument("file", metavar="FILE", help="report whose first line is a mark of glmdeploy")
    parser.add_argument("--of", default=".", metavar="FOLDER", help="which workspace; each has its own comment")
    parser.add_argument("--timeout", type=float, default=SECONDS, metavar="S", help="seconds to wait (default: 20)")
    return parser.parse_args(given)


def _report(file: str, of: str) -> tuple[str, str]:
    """The comment and its mark, which also names a workspace that is not at the root."""
    text = Path(file).read_text(encoding="utf-8")
    mark, _, rest = text.partition("\n")
    if not _MARK.fullmatch(mark):
        raise CommentError(f"the first line of {file} is no mark of glmdeploy")
    folder = Path(of).as_posix()
    mark += "" if folder == "." else f"\n<!-- of {quote(folder)} -->"
    return f"{mark}\n{rest}", mark + ("\n" if folder == "." else "")


def _api(seconds: float) -> tuple[Api, str]:
    url, token = os.environ.get("GITHUB_API_URL", "").rstrip("/"), os.environ.get("GITHUB_TOKEN", "")
    repository = os.environ.get("GITHUB_REPOSITORY", "")
    if not url.startswith(("https://", "http://")) or not _REPOSITORY.fullmatch(repository):
        raise CommentError("GITHUB_API_URL and GITHUB_REPOSITORY must say where")
    if not token or not token.isascii() or not token.isprintable():
        raise CommentError("GITHUB_TOKEN must hold a token")
    return Api(url, token, seconds), repository


def main(given: Sequence[str] | None = None) -> int:
    """Exit status 0, also where the token may not write; 1 when the comment was not written for another reason."""
    chosen = _arguments(given)
    try:
        number = github_event.read(os.environ.get("GITHUB_EVENT_PATH", "")).number
        if not number:
            sys.stdout.write("no pull request: nothing is commented\n")
            return 0
        body, mark = _report(chosen.file, chosen.of)
        api, repository = _api(chosen.timeout)
        sys.stdout.write(f"comment of pull request {number}: {post(api, repository, number, body, mark)}\n")
    except CommentError as error:
        if error.status != _FORBIDDEN:
            return _failed(str(error))
        rights = "this token may not; one of a fork never may, any other asks for `permissions: pull-requests: write`"
        sys.stdout.write(f"::notice title=glmdeploy::The pull request has no comment: {error}; {rights}\n")
    except (OSError, ValueError) as error:
        return _failed(f"{type(error).__name__}: {getattr(error, 'strerror', None) or 'not what it should be'}")
    return 0


def _failed(why: str) -> int:
    sys.stdout.write(f"::warning title=glmdeploy::The pull request has no comment: {why.replace('%', '%25')}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
