"""Small real HTTP servers on loopback: one that answers as an engine does, and ways to answer wrongly.

Shapes are those of the released sources: sglang 0.5.23 (srt/entrypoints), vllm 0.33.0 (vllm/entrypoints), transformers
5.23.0 (cli/serving) and litellm 1.106.2 (proxy/health_endpoints).
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Fault = Callable[["Handler"], None]

MODEL = "glm-5.2"
CHAT = "/v1/chat/completions"
OPEN = ("/health", "/ready", "/metrics")  # SGLang guards all others; vLLM /v1 alone
USAGE = {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}
METRICS = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="glm-5.2"} 0.0
# TYPE vllm:e2e_request_latency_seconds histogram
vllm:e2e_request_latency_seconds_bucket{engine="0",le="+Inf",model_name="a \\"b\\""} 3.0
python_info{implementation="CPython",major="3"} 1.0
process_start_time_seconds 1.7951e+09
nan_total NaN 1795100000
"""


@dataclass
class Engine:
    """How a server answers: the kind of engine, its key, and faults by path."""

    kind: str = "vllm"
    key: str = ""
    context: int = 131_072
    faults: dict[str, Fault] = field(default_factory=dict)
    asked: list[tuple[str, str, Any, str]] = field(default_factory=list)  # method, path, body, authorization
    say: Callable[[dict[str, Any]], str] = lambda _: "Hello there."

    @property
    def parses(self) -> bool:
        """Whether reasoning and calls are separated."""
        return self.kind != "transformers"

    @property
    def reasoning(self) -> str:
        """The member that holds the reasoning."""
        return "reasoning" if self.kind == "vllm" else "reasoning_content"


class Handler(BaseHTTPRequestHandler):
    """One request; `self.server.engine` says how."""

    protocol_version = "HTTP/1.1"
    server: Any

    @property
    def engine(self) -> Engine:
        """How to answer."""
        found: Engine = self.server.engine
        return found

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name of the base class
        """Say nothing."""

    def do_GET(self) -> None:
        self.answer(None)

    def do_POST(self) -> None:
        self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def answer(self, body: Any) -> None:
        """As the engine does, or as a fault says."""
        given = self.headers.get("Authorization", "")
        self.engine.asked.append((self.command, self.path, body, given))
        try:
            if self.path in self.engine.faults:
                self.engine.faults[self.path](self)
            elif self.engine.key and not self.path.startswith(OPEN) and given != f"Bearer {self.engine.key}":
                self.json({"error": "Unauthorized"}, 401)
            elif body is None:
                self.got()
            else:
                self.posted(body)
        except OSError:
            self.close_connection = True

    def json(self, data: Any, status: int = 200) -> None:
        """A whole JSON answer."""
        self.raw(json.dumps(data).encode(), status)

    def raw(self, data: bytes, status: int = 200, kind: str = "application/json", **headers: str) -> None:
        """A whole answer."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def got(self) -> None:
        kind, path = self.engine.kind, self.path
        card = {"id": MODEL, "object": "model", "owned_by": kind, "root": MODEL, "max_model_len": self.engine.context}
        if path == "/v1/models":
            self.json({"object": "list", "data": [] if kind == "transformers" else [card]})
        elif path == "/health" and kind == "transformers":
            self.raw(b'{"status":"ok"}', x_request_id="7f0c")
        elif path == "/health" or (path == "/ready" and kind == "sglang"):
            self.raw(b"", kind="text/plain")
        elif path == "/version" and kind == "vllm":
            self.json({"version": "0.33.0"})
        elif path == "/server_info" and kind == "sglang":
            self.json({"version": "0.5.23", "served_model_name": MODEL})
        elif path == "/metrics" and kind != "transformers":
            self.raw(METRICS.encode(), kind="text/plain; version=0.0.4; charset=utf-8")
        elif path == "/health/liveliness" and kind == "litellm":
            self.json("I'm alive!")
        elif path == "/health/readiness/details" and kind == "litellm":
            self.json({"status": "healthy", "litellm_version": "1.106.2"})
        else:
            self.json({"detail": "Not Found"}, 404)

    def posted(self, body: dict[str, Any]) -> None:
        if self.path == CHAT:
            self.stream(body) if body.get("stream") else self.json(self.completion(body))
        elif self.path.startswith("/v1/messages") and self.engine.kind != "transformers":
            self.anthropic(body)
        else:
            self.json({"detail": "Not Found"}, 404)

    def completion(self, body: dict[str, Any]) -> dict[str, Any]:
        """A chat completion."""
        template = body.get("chat_template_kwargs", {})
        message: dict[str, Any] = {"role": "assistant", "content": self.engine.say(body)}
        finish = "stop"
        if body.get("response_format") and self.engine.parses:
            message["content"] = json.dumps({"city": "Paris", "letters": 5})
        if template.get("enable_thinking") and self.engine.parses:
            message[self.engine.reasoning] = "17 times 23 is 340 and 51."
        elif template.get("enable_thinking"):
            message["content"] = "17 times 23 is 340 and 51.</think>391"
        if body.get("tools") and self.engine.parses:
            call = {"name": "get_weather", "arguments": '{"city": "Paris"}'}
            message |= {"content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": call}]}
            finish = "tool_calls"
        elif body.get("tools"):
            message["content"] = "<tool_call>get_weather<arg_key>city</arg_key><arg_value>Paris</arg_value></tool_call>"
        choice = {"index": 0, "message": message, "finish_reason": finish}
        return {"id": "1", "object": "chat.completion", "model": MODEL, "choices": [choice], "usage": USAGE}

    def begin(self, kind: str = "text/event-stream; charset=utf-8") -> None:
        """The head of a chunked answer."""
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, text: str) -> None:
        """A part of a chunked answer; the empty one ends it."""
        data = text.encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def delta(self, finish: str | None = None, **delta: str) -> None:
        """A chunk of a chat completion."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        self.event({"id": "1", "object": "chat.completion.chunk", "model": MODEL, "choices": [choice]})

    def event(self, data: Any, name: str = "") -> None:
        """A server-sent event."""
        self.chunk((f"event: {name}\n" if name else "") + f"data: {json.dumps(data)}\n\n")

    def stream(self, body: dict[str, Any]) -> None:
        self.begin()
        self.delta(role="assistant", content="")
        for word in self.engine.say(body).split(" "):
            self.delta(content=f"{word} ")
        self.delta(finish="stop")
        if self.engine.kind != "transformers":
            self.event({"id": "1", "choices": [], "usage": USAGE})
            self.chunk("data: [DONE]\n\n")
        self.chunk("")

    def anthropic(self, body: dict[str, Any]) -> None:
        if self.path.endswith("count_tokens"):
            self.json({"input_tokens": 12})
            return
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": MODEL, "stop_reason": "end_turn"}
        message |= {"content": [{"type": "text", "text": "Hello."}], "usage": {"input_tokens": 12, "output_tokens": 3}}
        if not body.get("stream"):
            self.json(message)
            return
        self.begin()
        self.event({"type": "message_start", "message": {**message, "content": []}}, "message_start")
        start = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        self.event(start, "content_block_start")
        delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello."}}
        self.event(delta, "content_block_delta")
        self.event({"type": "content_block_stop", "index": 0}, "content_block_stop")
        self.event({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, "message_delta")
        self.event({"type": "message_stop"}, "message_stop")
        self.chunk("")


class Server(ThreadingHTTPServer):
    """On a free port of loopback; a request that is still running is left behind."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, engine: Engine) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.engine = engine

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is no error."""


@contextmanager
def serving(engine: Engine) -> Iterator[str]:
    """The URL of a server that runs meanwhile."""
    server = Server(engine)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
