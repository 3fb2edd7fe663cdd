"""Images by digest: the lock file, what a bundle writes, and a registry that answers well and badly."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from glmdeploy import images, pipeline, reference, registry, resources, source
from glmdeploy.diagnostics import ProfileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Result

INDEX = b'{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}'
DIGEST = f"sha256:{hashlib.sha256(INDEX).hexdigest()}"
OTHER = "sha256:" + "0123456789abcdef" * 4
PROFILE = "glm-5.2-fp8-8xh200-vllm"
IMAGE = "vllm/vllm-openai:v0.31.0"


@dataclass
class Registry:
    """What the fake registry does, and what it was asked."""

    host: str = ""
    token: str = ""  # asked for where not empty
    status: int = 200
    named: str | None = DIGEST  # in the header; None: no header
    head: bool = True
    challenge: str = ""
    token_body: str = ""
    redirect: str = ""
    asked: list[tuple[str, str, str, str]] = field(default_factory=list)


def handler(state: Registry) -> type[BaseHTTPRequestHandler]:  # noqa: C901  one answer a branch
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def answer(self) -> None:
            authorization = self.headers.get("Authorization", "")
            state.asked.append((self.command, self.path, authorization, self.headers.get("Accept", "")))
            parts = urlsplit(self.path)
            if parts.path == "/token":
                body = state.token_body or f'{{"token": "{state.token}"}}'
                self.reply(200, body.encode())
            elif state.token and authorization != f"Bearer {state.token}":
                realm = f'Bearer realm="http://{state.host}/token",service="fake",scope="repository:team/app:pull"'
                self.reply(401, WWW_Authenticate=state.challenge or realm)
            elif state.redirect:
                self.reply(302, Location=state.redirect)
            elif self.command == "HEAD" and not state.head:
                self.reply(405)
            elif state.status != 200:
                self.reply(state.status)
            else:
                self.reply(200, INDEX, **({"Docker_Content_Digest": state.named} if state.named is not None else {}))

        do_GET = do_HEAD = answer  # noqa: N815  names of the base class

    return Handler


# the registry below cuts connections on purpose, and its handlers' sockets are found by the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    state = Registry()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(state))
    state.host = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def code(text: str) -> str:
    with pytest.raises(ProfileError) as caught:
        registry.digest(text, timeout=5)
    return caught.value.diagnostics[0].code


@pytest.mark.parametrize(
    ("text", "host", "repository", "tag"),
    [
        pytest.param("ubuntu", "docker.io", "library/ubuntu", "", id="official"),
        pytest.param("vllm/vllm-openai:v0.31.0", "docker.io", "vllm/vllm-openai", "v0.31.0", id="hub"),
        pytest.param("docker.io/vllm/x:1", "docker.io", "vllm/x", "1", id="hub-by-name"),
        pytest.param("registry.example.com:5000/a/b/c:1", "registry.example.com:5000", "a/b/c", "1", id="port"),
        pytest.param(f"localhost/a@{OTHER}", "localhost", "a", "", id="digest"),
    ],
)
def test_a_reference_has_its_parts(text: str, host: str, repository: str, tag: str) -> None:
    found = reference.parse(text)
    assert found
    assert (found.host, found.repository, found.tag) == (host, repository, tag)


@pytest.mark.parametrize("text", ["", "A/b", "a:", "a b", "a@sha256:1", "http://a/b:1", "a//b", "-a", "a" * 600])
def test_what_is_no_reference(text: str) -> None:
    assert reference.parse(text) is None
    assert code(text) == "GLM611"


def test_the_digest_is_that_of_the_index(fake: Registry) -> None:
    assert registry.digest(f"{fake.host}/team/app:1.0") == DIGEST
    assert [a[:2] for a in fake.asked] == [("HEAD", "/v2/team/app/manifests/1.0")]
    assert fake.asked[0][3].startswith("application/vnd.oci.image.index.v1+json")


def test_a_token_is_fetched_where_one_is_asked_for(fake: Registry) -> None:
    fake.token = "abc"  # noqa: S105  nobody's
    assert registry.digest(f"{fake.host}/team/app:1.0") == DIGEST
    assert [a[0] for a in fake.asked] == ["HEAD", "GET", "HEAD"]
    assert parse_qs(urlsplit(fake.asked[1][1]).query) == {"service": ["fake"], "scope": ["repository:team/app:pull"]}
    assert [a[2] for a in fake.asked] == ["", "", "Bearer abc"]


@pytest.mark.parametrize(("head", "named"), [(False, DIGEST), (False, None), (True, None)])
def test_the_manifest_is_counted_where_head_does_not_name_it(fake: Registry, head: bool, named: str | None) -> None:
    fake.head, fake.named = head, named
    assert registry.digest(f"{fake.host}/team/app:1.0") == DIGEST
    assert [a[0] for a in fake.asked] == ["HEAD", "GET"]


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        pytest.param({"status": 404}, "GLM614", id="no-such-tag"),
        pytest.param({"status": 403}, "GLM613", id="forbidden"),
        pytest.param({"status": 429}, "GLM613", id="too-many"),
        pytest.param({"status": 500}, "GLM615", id="server-error"),
        pytest.param({"named": "sha512:abc"}, "GLM615", id="other-digest"),
        pytest.param({"head": False, "named": OTHER}, "GLM615", id="digest-of-another-manifest"),
        pytest.param({"token": "a", "challenge": "Basic realm=x"}, "GLM613", id="basic"),
        pytest.param({"token": "a", "challenge": 'Bearer realm="ftp://x/t"'}, "GLM615", id="realm-not-https"),
        pytest.param({"token": "a", "challenge": 'Bearer realm="http://example.com/t"'}, "GLM615", id="realm-plain"),
        pytest.param({"token": "a", "token_body": "[]"}, "GLM615", id="no-token"),
        pytest.param({"token": "a", "token_body": '{"token": "a\\r\\nX: y"}'}, "GLM615", id="token-with-a-line-break"),
        pytest.param({"token": "a", "token_body": '{"token": "b"}'}, "GLM613", id="wrong-token"),
        pytest.param({"redirect": "ftp://example.com/x"}, "GLM615", id="redirect"),
    ],
)
def test_a_bad_answer_has_a_code(fake: Registry, change: dict[str, object], wanted: str) -> None:
    for name, value in change.items():
        setattr(fake, name, value)
    assert code(f"{fake.host}/team/app:1.0") == wanted


def test_a_registry_that_is_not_there_has_a_code(fake: Registry) -> None:
    del fake
    assert code("127.0.0.1:1/team/app:1.0") == "GLM612"


def test_lock_writes_what_answers_and_says_what_does_not(
    fake: Registry, tmp_path: Path, run: Callable[..., Result]
) -> None:
    file = tmp_path / "i.yaml"
    good = f"{fake.host}/team/app:1.0"
    result = run("images", "lock", good, "127.0.0.1:1/a:1", "--file", str(file), "--timeout", "5")
    assert (result.code, result.out) == (1, f"{good}@{DIGEST}\n")
    assert "error[GLM612]" in result.err
    assert yaml.safe_load(file.read_text()) == {"format": images.FORMAT, "images": {good: DIGEST}}
    asked = len(fake.asked)
    assert (run("images", "lock", good, "--file", str(file)).code, len(fake.asked)) == (0, asked)
    assert run("images", "lock", good, "--file", str(file), "--update").out == f"{good}@{DIGEST}\n"
    shown = run("images", "list", "--file", str(file), "--format", "json").json
    assert {"image": good, "digest": DIGEST} in shown["images"]


def test_lock_takes_the_image_of_a_profile(
    fake: Registry, tmp_path: Path, run: Callable[..., Result], write_profile: Callable[[str], Path]
) -> None:
    profile = yaml.safe_load(resources.shipped_profiles()[PROFILE].read_text())
    profile["framework"]["image"] = f"{fake.host}/team/app:1.0"
    profile["policy"] = {"image_digest": "error"}
    path = write_profile(yaml.safe_dump(profile))
    assert "error[GLM602]" in run("render", str(path), "-o", "-").err
    lock = tmp_path / images.LOCK
    assert run("images", "lock", str(path), "--file", str(lock)).code == 0
    assert f"{fake.host}/team/app:1.0@{DIGEST}" in run("render", str(path), "-o", "-").out


def test_list_shows_what_the_catalogue_documents(tmp_path: Path, run: Callable[..., Result]) -> None:
    out = run("images", "list", "--file", str(tmp_path / "none.yaml")).out
    assert f"{IMAGE} " in out
    assert "sha256" not in out


def test_the_shipped_file_is_empty_and_no_profile() -> None:
    assert images.read(resources.folder("profiles") / images.LOCK) == {}
    assert (resources.folder("profiles") / images.LOCK).read_text() == images.dump({})
    assert not any("lock" in name for name in resources.shipped_profiles())


def test_a_bundle_names_tag_and_digest_where_the_file_knows_it(tmp_path: Path, run: Callable[..., Result]) -> None:
    lock = tmp_path / "i.yaml"
    lock.write_text(images.dump({IMAGE: OTHER}))
    result = run("render", PROFILE, "-o", str(tmp_path / "b"), "--images-lock", str(lock))
    assert result.code == 0
    for name in ("compose/compose.yaml", "kubernetes/deployment.yaml"):
        assert f'image: "{IMAGE}@{OTHER}"' in (tmp_path / "b" / name).read_text()
    found = run("lint", "--bundle", str(tmp_path / "b"), "--format", "json").json["diagnostics"]
    assert "GLM821" not in {d["code"] for d in found}


def test_the_dockerfile_builds_on_the_digest(tmp_path: Path, run: Callable[..., Result]) -> None:
    base = "lmsysorg/sglang:v0.5.21"
    lock = tmp_path / "i.yaml"
    lock.write_text(images.dump({base: OTHER}))
    argv = ["render", "--framework", "sglang", "--gpus", "8xh200", "--framework-version", "0.5.23", "-o", "-"]
    assert f"FROM {base}@{OTHER}\n" in run(*argv, "--images-lock", str(lock), "--set", "policy.image_digest=error").out
    assert f"FROM {base}\n" in run(*argv).out


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        pytest.param("a: b\n", {"GLM610"}, id="other-file"),
        pytest.param(f"format: {images.FORMAT}\nimages: []\n", {"GLM610"}, id="list"),
        pytest.param(f"format: {images.FORMAT}\nimages: {{'a:1': x}}\n", {"GLM610"}, id="no-digest"),
        pytest.param(f"format: {images.FORMAT}\nimages: {{'A B': '{OTHER}'}}\n", {"GLM610"}, id="no-reference"),
        pytest.param("a: [", {"GLM003"}, id="no-yaml"),
    ],
)
def test_a_wrong_file_is_refused_by_every_command(
    text: str, codes: set[str], tmp_path: Path, run: Callable[..., Result]
) -> None:
    lock = tmp_path / "i.yaml"
    lock.write_text(text)
    for argv in (["render", PROFILE, "-o", "-", "--images-lock"], ["images", "list", "--file"]):
        result = run(*argv, str(lock))
        assert (result.code, result.out) == (1, "")
        assert all(f"error[{c}]" in result.err for c in codes)
    assert lock.read_text() == text


def test_a_file_that_is_named_and_missing_is_an_error(tmp_path: Path, run: Callable[..., Result]) -> None:
    result = run("render", PROFILE, "-o", "-", "--images-lock", str(tmp_path / "none.yaml"))
    assert (result.code, "error[GLM001]" in result.err) == (1, True)


@pytest.mark.parametrize(("policy", "level"), [("off", set()), ("warn", {"warning"}), ("error", {"error"})])
def test_the_policy_speaks_where_no_digest_is_known(policy: str, level: set[str]) -> None:
    text = (
        "apiVersion: glmdeploy/v1\nname: t\ncluster: {gpu: h200, gpus: 8}\nframework: {name: vllm, version: '0.31.0'}\n"
        f"policy: {{image_digest: {policy}}}\n"
    )
    found = pipeline.judge(source.parse("nowhere/p.yaml", text)).found
    assert {d.level.value for d in found if d.code == "GLM602"} == level
