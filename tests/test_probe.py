"""`probe` against real servers on loopback: good ones of each kind, and every way to answer wrongly."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from junitparser import JUnitXml
from servers import CHAT, MODEL, Engine, Handler, serving

from glmdeploy.diagnostics import ProfileError
from glmdeploy.probe.address import in_the_clear, key, parse
from glmdeploy.probe.checks import CHECKS, LACKS
from glmdeploy.schemas import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Result

    Run = Callable[..., Result]

KEY = "sk-open-sesame-42"
SLOW = 20.0  # seconds that no bounded run may take, on however busy a machine
MODELS = "/v1/models"
MESSAGES = "/v1/messages"


@pytest.fixture
def probe(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `probe URL` with the key in a variable; the run ends in reasonable time."""
    monkeypatch.setenv("PROBE_KEY", KEY)

    def runner(*argv: str) -> Result:
        start = time.monotonic()
        result = run("probe", *argv)
        assert time.monotonic() - start < SLOW
        return result

    return runner


def statuses(document: dict[str, Any]) -> dict[str, str]:
    return {c["code"]: c["status"] for c in document["checks"]}


def check(document: dict[str, Any], code: str) -> dict[str, Any]:
    found: dict[str, Any] = next(c for c in document["checks"] if c["code"] == code)
    return found


def complaints(document: dict[str, Any]) -> list[str]:
    return [e.message for e in Draft202012Validator(SCHEMAS["probe"]()).iter_errors(document)]


# --- servers that are right ---------------------------------------------------------------------------------------

UNSUPPORTED = {
    "sglang": set(),
    "vllm": {"readiness"},
    "litellm": {"readiness"},
}


@pytest.mark.parametrize("kind", UNSUPPORTED)
def test_all_checks_pass_against_a_server_that_is_right(kind: str, probe: Run) -> None:
    with serving(Engine(kind, key=KEY)) as url:
        result = probe(f"{url}/v1", "--key-env", "PROBE_KEY", "--format", "json")
    document = result.json
    assert (result.code, result.err, complaints(document)) == (0, "", [])
    assert statuses(document) == {c: "unsupported" if c in UNSUPPORTED[kind] else "pass" for c in CHECKS}
    versions = {"sglang": "0.5.23", "vllm": "0.33.0", "litellm": "1.106.2"}
    assert (document["server"]["engine"], document["server"]["version"]) == (kind, versions[kind])
    assert (document["url"], document["model"]) == (url, MODEL)
    assert document["ttft_seconds"] > 0
    assert document["tokens_per_second"] > 0


def test_what_transformers_lacks_is_unsupported_and_no_failure(probe: Run) -> None:
    with serving(Engine("transformers")) as url:
        result = probe(url, "--format", "json")
    passed = {"health", "chat", "stream", "thinking-off", "ttft", "tokens-per-second"}
    assert result.code == 0
    assert statuses(result.json) == {c: "pass" if c in passed else "unsupported" for c in CHECKS}
    assert result.json["server"]["engine"] == "transformers"
    assert "closed without `[DONE]`" in check(result.json, "stream")["message"]
    assert set(LACKS["transformers"]) < set(CHECKS)


def test_what_the_same_answers_lack_is_a_failure_of_an_engine_that_has_it(probe: Run) -> None:
    def sglang(handler: Handler) -> None:
        handler.json({"object": "list", "data": [{"id": MODEL, "owned_by": "sglang"}]})

    with serving(Engine("transformers", faults={MODELS: sglang})) as url:
        result = probe(url, "--format", "json", "--select", "reasoning,tool-call,json-schema,thinking")
    lacking = {"reasoning", "tool-call", "json-schema", "thinking-max", "thinking-high"}
    assert result.code == 1
    assert {c for c, s in statuses(result.json).items() if s == "fail"} == lacking
    assert "glm45" in check(result.json, "reasoning")["hint"]
    assert "came as text" in check(result.json, "tool-call")["message"]
    assert "glm47" in check(result.json, "tool-call")["hint"]


def test_a_server_without_done_passes_and_it_is_said(probe: Run) -> None:
    def no_done(handler: Handler) -> None:
        handler.begin()
        handler.delta(content="1 2 ")
        handler.delta("stop", content="3")
        handler.chunk("")

    with serving(Engine(faults={CHAT: no_done})) as url:
        result = probe(url, "--select", "stream", "--format", "json")
    assert (result.code, statuses(result.json)) == (0, {"stream": "pass"})
    assert "closed without `[DONE]`" in check(result.json, "stream")["message"]


def test_thinking_presets_send_what_they_mean(probe: Run) -> None:
    engine = Engine()
    with serving(engine) as url:
        assert probe(url, "--select", "thinking,reasoning").code == 0
    sent = [body["chat_template_kwargs"] for _, path, body, _ in engine.asked if path == CHAT]
    assert sent == [  # reasoning asks what thinking-max asks, once
        {"enable_thinking": True, "reasoning_effort": "max"},
        {"enable_thinking": True, "reasoning_effort": "high"},
        {"enable_thinking": False},
    ]


def test_thinking_that_is_not_off_is_found(probe: Run) -> None:
    def thinks(handler: Handler) -> None:
        message = {"content": "391", "reasoning": "Let me see."}
        handler.json({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})

    with serving(Engine(faults={CHAT: thinks})) as url:
        result = probe(url, "--select", "thinking-off", "--format", "json")
    assert (result.code, "`reasoning` has 11 characters" in check(result.json, "thinking-off")["message"]) == (1, True)


# --- profile, model, context --------------------------------------------------------------------------------------


def test_the_context_is_compared_with_the_profiles(probe: Run, write_profile: Callable[[str], Path]) -> None:
    profile = write_profile(
        "apiVersion: glmdeploy/v1\nname: t\ncluster: {gpu: h200, gpus: 8}\nframework: {name: vllm}\n"
        "serving: {context: 131072}\n"
    )
    argv = ("--profile", str(profile), "--select", "context", "--format", "json")
    wanted = {131_072: ("pass", "as planned"), 200_000: ("pass", "131,072 planned"), 4096: ("fail", "has 131,072")}
    for served, (status, said) in wanted.items():
        with serving(Engine(context=served)) as url:
            found = check(probe(url, *argv).json, "context")
        assert (found["status"], said in found["message"]) == (status, True)


def test_a_profile_that_is_refused_ends_with_its_diagnostics(probe: Run) -> None:
    result = probe("http://127.0.0.1:1", "--profile", "nonsense")
    assert (result.code, "error[GLM016]" in result.err) == (1, True)


def test_the_framework_of_the_profile_counts_behind_a_gateway(probe: Run) -> None:
    def lacks(handler: Handler) -> None:
        message = {"content": "391"}
        handler.json({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})

    argv = ("--select", "reasoning", "--format", "json")
    with serving(Engine("litellm", faults={CHAT: lacks})) as url:
        alone = probe(url, *argv)
        behind = probe(url, "--profile", "glm-5.2-bf16-8xb300-transformers", *argv)
    assert (alone.code, behind.code, behind.json["server"]["engine"]) == (1, 0, "litellm")
    assert (statuses(alone.json), statuses(behind.json)) == ({"reasoning": "fail"}, {"reasoning": "unsupported"})


def test_a_model_that_is_not_listed_is_found(probe: Run) -> None:
    with serving(Engine()) as url:
        result = probe(url, "--model", "glm-9", "--select", "models", "--format", "json")
    assert (result.code, check(result.json, "models")["message"]) == (1, f"`glm-9` is not listed, but {MODEL}")


# --- servers that are wrong ---------------------------------------------------------------------------------------


def trickle(handler: Handler) -> None:
    """A byte at a time, for ever: no single wait is long."""
    handler.begin("application/json")
    while True:
        handler.chunk(" ")
        time.sleep(0.1)


def trickled_head(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while True:
        handler.wfile.write(b"a")
        time.sleep(0.1)


def silent(handler: Handler) -> None:
    del handler
    time.sleep(2 * SLOW)


def never_ends(handler: Handler) -> None:
    handler.begin()
    while True:
        handler.delta(content="1 ")
        time.sleep(0.05)


def only_comments(handler: Handler) -> None:
    handler.begin()
    while True:
        handler.chunk(": still here\n\n")
        time.sleep(0.05)


def endless_body(handler: Handler) -> None:
    handler.begin("application/json")
    while True:
        handler.chunk("[" * 65_536)


def endless_head(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        handler.wfile.write(b"X-More: " + b"a" * 4096 + b"\r\n")


def endless_line(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while True:
        handler.wfile.write(b"a" * 65_536)


def endless_continue(handler: Handler) -> None:
    while True:
        handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


def endless_event(handler: Handler) -> None:
    handler.begin()
    while True:
        handler.chunk("data: " + "1" * 65_536)


def breaks_off(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [{"index"')
    handler.close_connection = True


def breaks_off_in_a_chunk(handler: Handler) -> None:
    handler.begin()
    handler.delta(content="1 ")
    handler.wfile.write(b"ff\r\ndata: {")
    handler.close_connection = True


def ends_early(handler: Handler) -> None:
    handler.begin()
    handler.delta(content="1 ")
    handler.chunk("data: [DONE]\n\n")
    handler.chunk("")


def error_in_stream(handler: Handler) -> None:
    handler.begin()
    handler.event({"error": {"message": "out of memory", "code": 500}})
    handler.chunk("")


def nothing(handler: Handler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


def not_http(handler: Handler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    handler.close_connection = True


def says(data: bytes, status: int = 200, kind: str = "application/json", **headers: str) -> Callable[[Handler], None]:
    return lambda handler: handler.raw(data, status, kind, **headers)


def message(content: str = "", finish: str = "stop", **more: Any) -> Callable[[Handler], None]:
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **more}, "finish_reason": finish}
    return says(json.dumps({"choices": [choice]}).encode())


def events(*data: dict[str, Any]) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        handler.begin()
        for one in data:
            handler.event(one, one.get("type", ""))
        handler.chunk("")

    return answer


def called(name: str, arguments: str) -> Callable[[Handler], None]:
    return message(tool_calls=[{"type": "function", "function": {"name": name, "arguments": arguments}}])


LATE = "no whole answer within 1 s"
LARGE = "larger than 4,194,304 bytes"
HTML = says(b"<html>login</html>", kind="text/html")
FAULTS = [
    pytest.param("chat", CHAT, trickle, LATE, id="a-byte-at-a-time"),
    pytest.param("health", "/health", trickled_head, LATE, id="a-head-a-byte-at-a-time"),
    pytest.param("chat", CHAT, silent, LATE, id="silent"),
    pytest.param("stream", CHAT, never_ends, LATE, id="a-stream-without-end"),
    pytest.param("ttft", CHAT, only_comments, LATE, id="a-stream-of-comments"),
    pytest.param("tokens-per-second", CHAT, never_ends, LATE, id="nothing-to-measure"),
    pytest.param("chat", CHAT, endless_body, LARGE, id="endless-body"),
    pytest.param("metrics", "/metrics", endless_body, LARGE, id="endless-metrics"),
    pytest.param("stream", CHAT, endless_event, LARGE, id="endless-event"),
    pytest.param("health", "/health", endless_head, "not HTTP", id="endless-head"),
    pytest.param("health", "/health", endless_line, "not HTTP", id="endless-line"),
    pytest.param("health", "/health", endless_continue, LARGE, id="endless-continue"),
    pytest.param("chat", CHAT, breaks_off, "breaks off", id="too-short-a-body"),
    pytest.param("stream", CHAT, breaks_off_in_a_chunk, "breaks off", id="too-short-a-chunk"),
    pytest.param("chat", CHAT, says(b'{"choices": [{"index"'), "not JSON (character", id="truncated-json"),
    pytest.param("chat", CHAT, says(b"[" * 100_000), "not JSON", id="deep-json"),
    pytest.param("chat", CHAT, says(b'{"a": ' + b"9" * 10_000 + b"}"), "not JSON", id="long-number"),
    pytest.param("chat", CHAT, says(b"[]"), "no object", id="a-list"),
    pytest.param("chat", CHAT, says(b"\xff\xfe"), "not UTF-8", id="not-utf-8"),
    pytest.param("chat", CHAT, says(b'{"choices": "x"}'), "no `choices[0].message`", id="wrong-schema"),
    pytest.param("chat", CHAT, says(b'{"choices": [{"message": 1}]}'), "not an object", id="wrong-type"),
    pytest.param("chat", CHAT, message(""), "no text", id="no-text"),
    pytest.param("chat", CHAT, HTML, "content type is `text/html`", id="wrong-content-type"),
    pytest.param("stream", CHAT, HTML, "not `text/event-stream`", id="wrong-content-type-of-a-stream"),
    pytest.param("chat", CHAT, says(b"engine dead", 500, "text/plain"), "status 500: engine dead", id="status-500"),
    pytest.param("stream", CHAT, says(b"busy", 503, "text/plain"), "status 503: busy", id="stream-503"),
    pytest.param("stream", CHAT, ends_early, "without a finish_reason, after 1 pieces", id="stream-ends-early"),
    pytest.param("stream", CHAT, error_in_stream, "an error in the stream: out of memory", id="error-in-stream"),
    pytest.param("stream", CHAT, events({"choices": 1}), "not a list", id="stream-of-another-schema"),
    pytest.param("chat", CHAT, nothing, "closed the connection without an answer", id="closed"),
    pytest.param("health", "/health", not_http, "not HTTP", id="not-http"),
    pytest.param("health", "/health", says(b"", 503), "status 503", id="unhealthy"),
    pytest.param("readiness", "/ready", says(b"", 503), "status 503", id="not-ready"),
    pytest.param("models", MODELS, says(b"CacheNotFound", 500), "status 500: CacheNotFound", id="model-list-500"),
    pytest.param("models", MODELS, says(b'{"data": []}'), "the list is empty", id="empty-list"),
    pytest.param("models", MODELS, says(b'{"data": [{"name": 1}]}'), "`id`", id="list-without-ids"),
    pytest.param("context", MODELS, says(b'{"models": []}'), "no `data`", id="no-list"),
    pytest.param("reasoning", CHAT, message("3 4</think>391"), "stands in the answer", id="raw-thinking"),
    pytest.param("reasoning", CHAT, message("391"), "no reasoning came", id="no-reasoning"),
    pytest.param("thinking-max", CHAT, message("391"), "no reasoning came", id="no-max"),
    pytest.param("thinking-high", CHAT, message("391"), "no reasoning came", id="no-high"),
    pytest.param("thinking-off", CHAT, message("<think>3"), "marks of thinking", id="raw-thinking-when-off"),
    pytest.param("thinking-off", CHAT, message(""), "no answer", id="nothing-when-off"),
    pytest.param("tool-call", CHAT, message("It rains."), "was not called", id="no-call"),
    pytest.param("tool-call", CHAT, called("rm", "{}"), "`rm` was called", id="another-function"),
    pytest.param("tool-call", CHAT, called("get_weather", '{"city": '), "not the JSON", id="broken-arguments"),
    pytest.param("tool-call", CHAT, called("get_weather", '{"town": "x"}'), "not the JSON", id="other-arguments"),
    pytest.param("json-schema", CHAT, message("Paris, 5"), "not in the form", id="no-structure"),
    pytest.param("json-schema", CHAT, message('{"city": "Paris", "letters": "5"}'), "not in the form", id="a-string"),
    pytest.param("json-schema", CHAT, message('{"city": "P", "letters": 1, "x": 2}'), "forbids", id="a-member-more"),
    pytest.param("anthropic-messages", MESSAGES, message("Hello."), "not a message", id="openai-for-anthropic"),
    pytest.param(
        "anthropic-messages",
        MESSAGES,
        says(b'{"type": "message", "role": "assistant", "content": []}'),
        "no content",
        id="empty-message",
    ),
    pytest.param("anthropic-stream", MESSAGES, events({"type": "ping"}), "without message_stop", id="no-stop"),
    pytest.param("anthropic-stream", MESSAGES, events({"type": "message_stop"}), "does not begin", id="no-start"),
    pytest.param(
        "anthropic-stream",
        MESSAGES,
        events({"type": "message_start"}, {"type": "error", "error": {"message": "overloaded"}}),
        "overloaded",
        id="anthropic-error",
    ),
    pytest.param(
        "anthropic-stream",
        MESSAGES,
        events({"type": "message_start"}, {"type": "message_stop"}),
        "no text",
        id="no-delta",
    ),
    pytest.param("anthropic-stream", MESSAGES, HTML, "not `text/event-stream`", id="anthropic-html"),
    pytest.param(
        "anthropic-count-tokens", f"{MESSAGES}/count_tokens", says(b'{"input_tokens": 0}'), "0 tokens", id="no-tokens"
    ),
    pytest.param("metrics", "/metrics", HTML, "content type", id="html-metrics"),
    pytest.param("metrics", "/metrics", says(b"up{a=b} 1\n", kind="text/plain"), "line 1 is no", id="broken-metrics"),
    pytest.param("metrics", "/metrics", says(b"# HELP up\n", kind="text/plain"), "no sample", id="no-samples"),
    pytest.param("refusal", MODELS, says(b'{"data": []}'), "`/v1/models` without a key is answered", id="open-list"),
    pytest.param("refusal", CHAT, message("x"), f"`{CHAT}` without a key is answered", id="open-chat"),
    pytest.param("refusal", CHAT, says(b"", 500), "status 500, not 401 or 403", id="refusal-with-500"),
]


@pytest.mark.parametrize(("code", "path", "fault", "said"), FAULTS)
def test_each_fault_is_found_in_bounded_time(code: str, path: str, fault: Any, said: str, probe: Run) -> None:
    with serving(Engine("vllm", key=KEY, faults={path: fault})) as url:
        seconds = "1" if said == LATE else "15"  # what ends by its size must not depend on a fast machine
        argv = ("--key-env", "PROBE_KEY", "--select", code, "--request-timeout", seconds, "--format", "json")
        result = probe(url, *argv)
    found = check(result.json, code)
    assert (result.code, found["status"]) == (1, "fail")
    assert said in found["message"]
    assert complaints(result.json) == []


def test_every_check_has_a_fault_that_it_finds() -> None:
    assert {row.values[0] for row in FAULTS} == set(CHECKS)


def test_one_fault_fails_one_check(probe: Run) -> None:
    with serving(Engine("sglang", key=KEY, faults={MODELS: says(b"broken", 500)})) as url:
        result = probe(url, "--key-env", "PROBE_KEY", "--format", "json")
    failed = {c for c, s in statuses(result.json).items() if s == "fail"}
    assert (result.code, failed) == (1, {"models", "refusal", "context"})


def test_a_closed_port_is_one_error_and_nothing_is_asked(probe: Run) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        result = probe(url, "--format", "json")
        text = probe(url)
    assert (result.code, set(statuses(result.json).values())) == (1, {"fail"})
    assert f"error[GLM903]: `{url}` cannot be asked: no connection: Connection refused" in result.err
    assert result.json["diagnostics"][0]["code"] == "GLM903"
    assert text.out.splitlines() == [
        url,
        f"{len(CHECKS)} checks: 0 passed, {len(CHECKS)} failed, 0 not supported by this server",
    ]


def test_a_name_that_does_not_resolve_is_said(probe: Run) -> None:
    result = probe("http://nowhere.invalid", "--timeout", "5")
    assert (result.code, "error[GLM903]" in result.err) == (1, True)


def test_a_server_without_tls_is_said(probe: Run) -> None:
    with serving(Engine()) as url:
        result = probe(url.replace("http:", "https:"))
    assert (result.code, "no encrypted connection" in result.err) == (1, True)


@contextmanager
def deaf() -> Iterator[str]:
    """A port that takes connections and says nothing, not even when TLS begins."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_whole_run_is_bounded(scheme: str, probe: Run) -> None:
    with deaf() as host:
        result = probe(f"{scheme}://{host}", "--timeout", "2", "--format", "json")
    assert (result.code, set(statuses(result.json).values())) == (1, {"fail"})
    assert sum(c["seconds"] for c in result.json["checks"]) < SLOW / 2
    last = result.json["checks"][-1]["message"]
    assert last.startswith("not asked: the 2 s of the run were over" if scheme == "http" else "not asked: ")


# --- the key ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed_and_no_other_host_gets_the_key(status: int, probe: Run) -> None:
    other = Engine()
    with serving(other) as elsewhere:
        to = says(b"", status, Location=f"{elsewhere}/v1/models?key={KEY}")
        with serving(Engine(key=KEY, faults={MODELS: to, CHAT: to, "/health": to})) as url:
            result = probe(url, "--key-env", "PROBE_KEY", "--select", "health,models,chat", "--format", "json")
    assert (result.code, set(statuses(result.json).values()), other.asked) == (1, {"fail"}, [])
    assert f"redirects (status {status}) to `{elsewhere}/v1/models?key=***`" in check(result.json, "chat")["message"]
    assert KEY not in result.out + result.err


def test_a_redirect_in_a_circle_is_not_followed(probe: Run) -> None:
    engine = Engine(faults={"/health": says(b"", 302, Location="/health")})
    with serving(engine) as url:
        result = probe(url, "--select", "health", "--format", "json")
    assert (result.code, [p for _, p, _, _ in engine.asked].count("/health")) == (1, 1)


ECHOES = [
    says(f"bad key {KEY} \x1b[31m\x07\u202e".encode(), 401, "text/plain"),
    says(f"BAD KEY {KEY.upper()}".encode(), 500, "text/plain"),
    says(f"{'x' * 190}{KEY}".encode(), 500, "text/plain"),
    says(b'{"choices": [{"message": {"content": "a"}, "finish_reason": "' + KEY.encode() + b'"}]}'),
    says(
        (
            '{"choices": [{"message": {"content": "'
            + "".join(f"\\u{ord(c):04x}" for c in KEY)
            + '"}, "finish_reason": "\\u001b[2J"}]}'
        ).encode()
    ),
    says(b"", kind=f"text/{KEY}"),
]


@pytest.mark.parametrize("form", ["text", "json", "junit"])
@pytest.mark.parametrize("echo", ECHOES)
def test_a_key_that_comes_back_is_never_shown_and_control_characters_are_inert(
    echo: Any, form: str, probe: Run
) -> None:
    paths = (CHAT, MODELS, MESSAGES, "/metrics", "/health", "/server_info", "/version")
    with serving(Engine(key=KEY, faults=dict.fromkeys(paths, echo))) as url:
        result = probe(url, "--key-env", "PROBE_KEY", "--format", form)
    assert KEY[:8] not in (result.out + result.err).lower()
    assert all(c.isprintable() or c == "\n" for c in result.out + result.err)
    assert result.code == 1


def test_the_key_is_read_from_a_file_and_sent_as_bearer(probe: Run, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    engine = Engine(key=KEY)
    with serving(engine) as url:
        assert probe(url, "--key-file", str(tmp_path / "key"), "--select", "chat,models").code == 0
    assert {given for *_, given in engine.asked} == {f"Bearer {KEY}"}


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--key-env", "PROBE_NO_SUCH"), "not set"),
        (("--key-env", ""), "not set"),
        (("--key-env", KEY), "not set"),
        (("--key-file", KEY), "No such file"),
        (("--key-file", "."), "Is a directory"),
        (("--key-file", "\0"), "not a file's name"),
    ],
)
def test_a_key_that_is_not_there_is_a_usage_error_and_not_repeated(
    argv: tuple[str, str], said: str, probe: Run
) -> None:
    result = probe("http://127.0.0.1:1", *argv)
    assert (result.code, "error[GLM901]" in result.err, said in result.err) == (2, True, True)
    assert KEY not in result.out + result.err


@pytest.mark.parametrize("text", ["", "\n", "two words", "two\nlines", "é", "a\x00b", "a" * 9000, "a\r\nX-Evil: 1"])
def test_what_no_header_holds_is_no_key(text: str, probe: Run, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(text.encode())
    result = probe("http://127.0.0.1:1", "--key-file", str(tmp_path / "key"))
    assert (result.code, "error[GLM901]" in result.err) == (2, True)
    assert "Evil" not in result.err


def test_without_a_key_refusal_is_unsupported_and_why_is_said(probe: Run) -> None:
    with serving(Engine()) as url:
        result = probe(url, "--select", "refusal", "--format", "json")
    found = check(result.json, "refusal")
    assert (result.code, found["status"], "no key was given" in found["message"]) == (0, "unsupported", True)


def test_a_server_that_wants_a_key_says_how_to_give_one(probe: Run) -> None:
    with serving(Engine(key=KEY)) as url:
        result = probe(url, "--select", "chat", "--format", "json")
    assert (result.code, "--key-env" in check(result.json, "chat")["hint"]) == (1, True)


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://10.0.0.7:8000", True),
        ("http://localhost.example.com", True),
        ("http://glm", True),
        ("http://localhost:8000", False),
        ("http://127.9.9.9", False),
        ("http://[::1]:8000", False),
        ("https://glm.example.com", False),
    ],
)
def test_a_key_over_http_to_another_machine_is_warned_of(url: str, warned: bool) -> None:
    assert [d.code for d in in_the_clear(parse(url), KEY)] == (["GLM902"] if warned else [])
    assert in_the_clear(parse(url), "") == ()


# --- usage --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://h", "http://h"),
        ("http://h:80/", "http://h"),
        ("https://h:443/v1/", "https://h"),
        ("http://h:8000/v1", "http://h:8000"),
        ("https://h/llm/glm/v1", "https://h/llm/glm"),
        ("http://[::1]:8000/v1", "http://[::1]:8000"),
    ],
)
def test_addresses(text: str, address: str) -> None:
    assert str(parse(text)) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8000",
        "ftp://h",
        "http://",
        "http://h:0",
        "http://h:99999",
        "http://h:x",
        f"http://user:{KEY}@h",
        f"http://h/v1?key={KEY}",
        f"http://h/#{KEY}",
        "http://h/a b",
        "http://h\r\nX-Evil: 1",
        "http://h\x1b[31m",
        "http://ö",
        "http://[::1",
    ],
)
def test_what_is_no_address_is_a_usage_error_and_not_repeated(url: str, probe: Run) -> None:
    result = probe(url)
    assert (result.code, "error[GLM900]" in result.err) == (2, True)
    assert KEY not in result.err
    assert "Evil" not in result.err
    with pytest.raises(ProfileError):
        parse(url)


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("http://h", "--select", "nonsense"),
        ("http://h", "--select", "helth"),
        ("http://h", "--skip", "thinking", "--select", "thinking-max"),
        ("http://h", "--output", "pdf=x"),
        ("http://h", "--output", "json="),
        ("http://h", "--timeout", "0"),
        ("http://h", "--key-env", "A", "--key-file", "B"),
    ],
)
def test_usage_errors(argv: tuple[str, ...], probe: Run) -> None:
    assert probe(*argv).code == 2


def test_checks_are_chosen_by_name_and_by_family(probe: Run) -> None:
    with serving(Engine()) as url:
        result = probe(
            url, "--select", "thinking, chat", "--select", "health", "--skip", "thinking-max", "--format", "json"
        )
    assert list(statuses(result.json)) == ["health", "chat", "thinking-high", "thinking-off"]


def test_reports_go_to_files_too(probe: Run, tmp_path: Path) -> None:
    xml, data = tmp_path / "probe.xml", tmp_path / "probe.json"
    with serving(Engine("vllm", faults={CHAT: says(b"\x1b]0;<&>", 500, "text/plain")})) as url:
        result = probe(url, "--output", f"junit={xml}", "--output", f"json={data}")
    suites = list(JUnitXml.fromfile(str(xml)))
    kinds = {case.name: [type(r).__name__ for r in case.result] for suite in suites for case in suite}
    assert result.code == 1
    assert list(kinds) == list(CHECKS)
    assert (kinds["chat"], kinds["readiness"], kinds["health"]) == (["Failure"], ["Skipped"], [])
    assert statuses(json.loads(data.read_text()))["chat"] == "fail"
    assert "fail         chat" in result.out


def test_a_report_that_cannot_be_written_is_an_error(probe: Run, tmp_path: Path) -> None:
    with serving(Engine()) as url:
        result = probe(url, "--select", "health", "--output", f"json={tmp_path}")
    assert (result.code, "error[GLM508]" in result.err) == (1, True)


def test_keys_of_variables_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROBE_KEY", f"{KEY}\n")
    assert key("PROBE_KEY", None) == KEY
    assert key(None, None) == ""


def test_threads_do_not_outlive_a_run(probe: Run) -> None:
    with serving(Engine()) as url:
        probe(url, "--select", "health,stream")
    names = [t.name for t in threading.enumerate() if "getaddrinfo" in t.name or "ask" in t.name]
    assert names == []
