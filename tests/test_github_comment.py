"""The comment of the Action, against a server that behaves as GitHub's REST API does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from glmdeploy import github_event

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
MARK = "<!-- glmdeploy-check -->"
TOKEN = "ghs_0123456789abcdef"  # noqa: S105  no real one
BOT = {"login": "github-actions[bot]", "type": "Bot"}
ME = {"login": "deployer", "type": "User"}
PERSON = {"login": "somebody", "type": "User"}
COMMENTS = "/repos/o/r/issues/7/comments"


class GitHub(ThreadingHTTPServer):
    """Comments of one pull request, 100 a page or fewer; ``answers`` are statuses that a method gets instead."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.comments: list[dict[str, Any]] = []
        self.answers: dict[str, int] = {}
        self.calls: list[str] = []
        self.tokens: set[str] = set()
        self.user: dict[str, str] | None = None  # whose token it is; an app's token has none
        self.page = 2
        self.next_host = ""
        self.silence = 0.0
        self.drip = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def say(self, user: dict[str, str], body: str | None) -> None:
        self.comments.append({"id": 100 + len(self.comments), "user": user, "body": body})

    def bodies(self) -> list[str]:
        return [c["body"] for c in self.comments]


class _Handler(BaseHTTPRequestHandler):
    server: GitHub

    def _answer(self, status: int, data: Any, **headers: str) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for byte in body if self.server.drip else (body,):
            self.wfile.write(bytes([byte]) if isinstance(byte, int) else byte)
            time.sleep(self.server.drip)

    def _begin(self) -> bool:
        self.server.calls.append(f"{self.command} {urlsplit(self.path).path}")
        self.server.tokens.add(self.headers.get("Authorization", ""))
        time.sleep(self.server.silence)
        status = self.server.answers.get(self.command)
        if status:
            location = {"Location": f"{self.server.url}/elsewhere"} if 300 <= status < 400 else {}
            self._answer(status, {"message": f"Not now\n::error::{status}"}, **location)
        return not status

    def _body(self) -> str:
        return str(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"])

    def do_GET(self) -> None:
        if not self._begin():
            return
        url = urlsplit(self.path)
        if url.path == "/user":
            self._answer(200, self.server.user) if self.server.user else self._answer(403, {"message": "integration"})
            return
        assert url.path == COMMENTS
        query = parse_qs(url.query)
        assert query["per_page"] == ["100"]
        page = int(query.get("page", ["1"])[0])
        start, end = (page - 1) * self.server.page, page * self.server.page
        host = self.server.next_host or self.server.url
        links = f'<{host}{COMMENTS}?per_page=100&page=1>; rel="first"'
        if end < len(self.server.comments):
            links = f'<{host}{COMMENTS}?per_page=100&page={page + 1}>; rel="next", {links}'
        self._answer(200, self.server.comments[start:end], Link=links)

    def do_POST(self) -> None:
        if self._begin():
            assert self.path == COMMENTS
            self.server.say(BOT, self._body())
            self._answer(201, self.server.comments[-1])

    def do_PATCH(self) -> None:
        if self._begin():
            number = int(self.path.removeprefix("/repos/o/r/issues/comments/"))
            comment = next(c for c in self.server.comments if c["id"] == number)
            comment["body"] = self._body()
            self._answer(200, comment)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def github() -> Iterator[GitHub]:
    with GitHub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def pull_request(head: str = "o/r", base: str = "o/r", sha: str = "a" * 40) -> dict[str, Any]:
    """The parts of an event that are read."""
    return {
        "pull_request": {
            "number": 7,
            "head": {"repo": {"full_name": head}},
            "base": {"repo": {"full_name": base}, "sha": sha},
        }
    }


def post(github: GitHub, folder: Path, *words: str, text: str = f"{MARK}\n\nhello\n", **given: str) -> tuple[int, str]:
    """Run the module as the Action does; its exit status and what it says. The token is in none of that."""
    (folder / "event.json").write_text(json.dumps(pull_request()))
    (folder / "report.md").write_text(text)
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "GITHUB_TOKEN": TOKEN,
        "GITHUB_API_URL": github.url,
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_EVENT_PATH": str(folder / "event.json"),
        **given,
    }
    command = [sys.executable, "-m", "glmdeploy.github_comment", str(folder / "report.md"), *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=60)
    said = done.stdout + done.stderr
    assert TOKEN not in said
    assert "Traceback" not in said
    return done.returncode, said


def test_the_first_report_is_a_new_comment_and_the_next_updates_it(github: GitHub, tmp_path: Path) -> None:
    github.say(PERSON, "nice")
    assert post(github, tmp_path) == (0, "comment of pull request 7: created\n")
    assert post(github, tmp_path, text=f"{MARK}\n\nagain\n") == (0, "comment of pull request 7: updated\n")
    assert github.bodies() == ["nice", f"{MARK}\n\nagain\n"]
    assert github.tokens == {f"Bearer {TOKEN}"}


def test_a_report_that_says_the_same_writes_nothing(github: GitHub, tmp_path: Path) -> None:
    github.say(BOT, f"{MARK}\r\n\r\nhello")
    assert post(github, tmp_path) == (0, "comment of pull request 7: unchanged\n")
    assert github.calls == [f"GET {COMMENTS}"]


def test_our_comment_is_found_on_a_later_page(github: GitHub, tmp_path: Path) -> None:
    for number in range(5):
        github.say(PERSON, f"comment {number}")
    github.say(PERSON, None)
    github.say(BOT, f"{MARK}\n\nold\n")
    assert post(github, tmp_path)[0] == 0
    assert github.calls == [f"GET {COMMENTS}"] * 4 + ["PATCH /repos/o/r/issues/comments/106"]


@pytest.mark.parametrize(
    ("user", "token_of", "body", "updated"),
    [
        pytest.param(BOT, None, f"{MARK}\n\nold", True, id="a-bot"),
        pytest.param(ME, ME, f"{MARK}\n\nold", True, id="the-token-s-own-user"),
        pytest.param(PERSON, ME, f"{MARK}\n\nold", False, id="another-person"),
        pytest.param(PERSON, None, f"{MARK}\n\nold", False, id="a-person-and-the-token-of-an-app"),
        pytest.param(BOT, None, f"> {MARK}\n\nold", False, id="a-quotation"),
        pytest.param(BOT, None, "<!-- glmdeploy-diff -->\n\nold", False, id="another-report"),
        pytest.param(BOT, None, f"{MARK}\n<!-- of clusters/eu -->\n\nold", False, id="another-workspace"),
    ],
)
def test_only_our_own_comment_is_updated(
    github: GitHub, tmp_path: Path, user: dict[str, str], token_of: dict[str, str] | None, body: str, updated: bool
) -> None:
    github.user = token_of
    github.say(user, body)
    assert post(github, tmp_path)[0] == 0
    new = f"{MARK}\n\nhello\n"
    assert github.bodies() == ([new] if updated else [body, new])


def test_each_workspace_has_a_comment_of_its_own(github: GitHub, tmp_path: Path) -> None:
    for folder in (".", "clusters/eu", "a --> b", "./", "clusters/eu/"):
        assert post(github, tmp_path, "--of", folder)[0] == 0
    assert github.bodies() == [
        f"{MARK}\n\nhello\n",
        f"{MARK}\n<!-- of clusters/eu -->\n\nhello\n",
        f"{MARK}\n<!-- of a%20--%3E%20b -->\n\nhello\n",
    ]


def test_a_token_that_may_not_write_is_said_and_is_no_failure(github: GitHub, tmp_path: Path) -> None:
    github.answers["POST"] = 403
    code, said = post(github, tmp_path)
    assert code == 0
    assert said.startswith("::notice title=glmdeploy::The pull request has no comment: ")
    assert "fork" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({"GET": 500}, "GET /repos/o/r/issues/7/comments: 500 Not now"),
        ({"POST": 500}, "POST /repos/o/r/issues/7/comments: 500 Not now"),
        ({"GET": 401}, "GET /repos/o/r/issues/7/comments: 401 Not now"),
        ({"GET": 302}, "GET /repos/o/r/issues/7/comments: 302 Not now"),
        ({"POST": 307}, "POST /repos/o/r/issues/7/comments: 307 Not now"),
    ],
)
def test_an_answer_that_is_an_error_is_one(github: GitHub, tmp_path: Path, answers: dict[str, int], why: str) -> None:
    github.answers = answers
    code, said = post(github, tmp_path)
    assert code == 1
    assert said.startswith(f"::warning title=glmdeploy::The pull request has no comment: {why}")
    assert said.count("\n") == 1  # what the server says starts no command of its own
    assert not [c for c in github.calls if "elsewhere" in c]


def test_a_next_page_on_another_server_never_sees_the_token(github: GitHub, tmp_path: Path) -> None:
    with GitHub() as other:
        github.next_host = other.url
        for _ in range(3):
            github.say(PERSON, "x")
        code, said = post(github, tmp_path)
    assert (code, other.calls) == (1, [])
    assert "another server" in said


@pytest.mark.parametrize("how", ["silence", "drip"])
def test_a_server_that_does_not_answer_is_given_up(github: GitHub, tmp_path: Path, how: str) -> None:
    github.say(PERSON, "x" * 500)
    setattr(github, how, 3.0 if how == "silence" else 0.05)
    begun = time.monotonic()
    code, said = post(github, tmp_path, "--timeout", "0.5")
    assert time.monotonic() - begun < 20
    assert code == 1
    assert re.search(r"GET /repos/o/r/issues/7/comments: no answer in 0\.5 s\n\Z", said)


def test_nobody_who_listens_is_said(github: GitHub, tmp_path: Path) -> None:
    code, said = post(github, tmp_path, GITHUB_API_URL="http://127.0.0.1:9")
    assert code == 1
    assert "refused" in said


@pytest.mark.parametrize(
    "given",
    [
        {"GITHUB_TOKEN": ""},
        {"GITHUB_TOKEN": "a\nb"},
        {"GITHUB_API_URL": "file:///etc"},
        {"GITHUB_REPOSITORY": "../../x"},
        {"GITHUB_EVENT_PATH": "nowhere"},
    ],
)
def test_an_environment_that_lacks_something_is_said(github: GitHub, tmp_path: Path, given: dict[str, str]) -> None:
    code, said = post(github, tmp_path, **given)
    assert (code, github.calls) == (1, [])
    assert said.startswith("::warning ")


def test_a_file_without_a_mark_is_not_posted(github: GitHub, tmp_path: Path) -> None:
    assert post(github, tmp_path, text="hello\n")[0] == 1
    assert github.calls == []


def test_without_a_pull_request_nothing_is_asked(github: GitHub, tmp_path: Path) -> None:
    (tmp_path / "push.json").write_text('{"ref": "refs/heads/main"}')
    given = {"GITHUB_EVENT_PATH": str(tmp_path / "push.json"), "GITHUB_TOKEN": ""}
    assert post(github, tmp_path, **given) == (0, "no pull request: nothing is commented\n")
    assert github.calls == []


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(pull_request(), github_event.Event(7, "a" * 40), id="own-branch"),
        pytest.param(pull_request(head="fork/r"), github_event.Event(7, "a" * 40, fork=True), id="fork"),
        pytest.param(pull_request(head="fork/r", base="fork/r"), github_event.Event(7, "a" * 40), id="inside-a-fork"),
        pytest.param(pull_request(sha="--upload-pack=x"), github_event.Event(7), id="a-base-that-is-no-commit"),
        pytest.param(
            {"pull_request": {"number": 7, "head": {"repo": None}, "base": {"repo": {"full_name": "o/r"}}}},
            github_event.Event(7, fork=True),
            id="deleted-fork",
        ),
        pytest.param({"pull_request": {"number": "7\nx=y"}}, github_event.Event(), id="a-number-that-is-none"),
        pytest.param([], github_event.Event(), id="no-object"),
    ],
)
def test_the_event_says_which_pull_request(tmp_path: Path, data: Any, expected: github_event.Event) -> None:
    (tmp_path / "event.json").write_text(json.dumps(data))
    assert github_event.read(str(tmp_path / "event.json")) == expected
