"""Configurations of coding agents and SDKs: right address, model, limits and key for each, and nothing secret."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import TESTS, plan_for
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from glmdeploy import catalog, clients, resources
from glmdeploy.clients import AGENTS, NAMES, endpoint
from glmdeploy.clients.endpoint import Endpoint
from glmdeploy.diagnostics import ProfileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Result
    from syrupy.assertion import SnapshotAssertion

    Run = Callable[..., Result]

PROFILE = "glm-5.2-fp8-8xh200-vllm"
KEYED = {"secrets": {"api_key": "glm"}}
SERVER = Endpoint(
    name="t", root="http://localhost:8000", model="glm-5.2", context=131_072, output=32_768, engine="vllm"
)
# what reads the file -> the file; all others have a dialog alone
READ = {
    "claude-code": "settings.json",
    "opencode": "opencode.json",
    "goose": "glm.json",
    "crush": "crush.json",
    "openclaw": "openclaw.json",
    "kilo-code": "kilo.json",
}
SCHEMAS = {name: name.removesuffix("-code") if name == "kilo-code" else name for name in READ}


class _Page(SingleFileSnapshotExtension):
    _write_mode = WriteMode.TEXT
    file_extension = "md"


def files(server: Endpoint, *wanted: str) -> dict[str, str]:
    return {a.path: a.text for a in clients.make(server, wanted).artifacts()}


def read(server: Endpoint, agent: str) -> Any:
    return json.loads(files(server, agent)[f"{agent}/{READ[agent]}"])


def judge(agent: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((TESTS / "data" / "clients" / f"{SCHEMAS[agent]}.schema.json").read_text()))


# --- the files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_golden_client(name: str, run: Run, snapshot: SnapshotAssertion) -> None:
    result = run("clients", PROFILE, "--set", "secrets.api_key=glm", "--agent", name)
    assert (result.code, result.err) == (0, "")
    assert result.out == snapshot.use_extension(_Page)


@pytest.mark.parametrize(
    "server",
    [
        SERVER,
        Endpoint("t", "http://localhost:8000", "glm-5.2", 1_048_576, 131_072, key="", effort="off", engine="sglang"),
        Endpoint("t", "https://a.example/llm", "x", 65_536, 16_384, preserve=True, template={"clear_thinking": False}),
    ],
    ids=["usual", "large-open-off", "address"],
)
@pytest.mark.parametrize("agent", READ)
def test_a_file_has_only_keys_that_its_agent_knows(agent: str, server: Endpoint) -> None:
    data = read(server, agent)
    assert [e.message for e in judge(agent).iter_errors(data)] == []
    assert not judge(agent).is_valid({**data, "nonsense": 1})


def test_agents_without_a_file_have_fields_and_all_have_a_page() -> None:
    made = clients.make(SERVER)
    assert {name for name, setup in made.setups if not setup.files} == set(AGENTS) - set(READ) == {"cline", "roo-code"}
    assert all(setup.files or setup.fields for _, setup in made.setups)
    assert {a.path for a in made.artifacts()} >= {f"{name}/README.md" for name in AGENTS}


ADDRESSES: dict[str, Callable[[Any], Any]] = {
    "claude-code": lambda d: d["env"]["ANTHROPIC_BASE_URL"],
    "opencode": lambda d: d["provider"]["glm"]["options"]["baseURL"],
    "kilo-code": lambda d: d["provider"]["glm"]["options"]["baseURL"],
    "crush": lambda d: d["providers"]["glm"]["base_url"],
    "openclaw": lambda d: d["models"]["providers"]["glm"]["baseUrl"],
    "goose": lambda d: d["base_url"],
}
ENDS = {"claude-code": "", "goose": "/v1/chat/completions"}


@pytest.mark.parametrize("agent", READ)
def test_each_agent_gets_the_address_in_its_own_form(agent: str) -> None:
    assert ADDRESSES[agent](read(SERVER, agent)) == f"http://localhost:8000{ENDS.get(agent, '/v1')}"


@pytest.mark.parametrize("agent", AGENTS)
def test_every_agent_is_told_of_model_context_answer_and_time(agent: str) -> None:
    text = "".join(files(SERVER, agent).values())
    untimed = {"cline", "crush"}  # neither has a setting for it: the pages say so
    assert "glm-5.2" in text
    assert "131072" in text
    assert "32768" in text
    assert ("3000" in text) == (agent not in untimed)
    assert agent not in untimed or "time-out" in text


@pytest.mark.parametrize("name", NAMES)
def test_the_key_is_named_and_never_there(name: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "s3cr3t-value")
    result = run("clients", PROFILE, "--set", "secrets.api_key=glm", "--key-env", "MY_KEY", "--agent", name)
    assert "MY_KEY" in result.out
    assert "GLM_API_KEY" not in result.out
    assert "s3cr3t" not in result.out
    assert f'"{endpoint.NO_KEY}"' not in result.out


@pytest.mark.parametrize("agent", READ)
def test_a_server_without_a_key_gets_any_word(agent: str) -> None:
    text = json.dumps(read(Endpoint("t", "http://localhost:1", "m", 1000, 100, key=""), agent))
    assert "GLM_API_KEY" not in text
    assert agent == "goose" or f'"{endpoint.NO_KEY}"' in text


# --- limits and thinking, from the plan -----------------------------------------------------------------------------


def of(name: str, gpus: str, /, **sections: Any) -> Endpoint:
    return endpoint.of_plan(plan_for(name, gpus, **sections))


def test_limits_are_those_of_the_plan() -> None:
    usual = of("vllm", "8xh200")
    assert (usual.context, usual.output, usual.prompt) == (131_072, 32_768, 98_304)
    asked = of("vllm", "8xh200", serving={"output_tokens": 65_536, "context": "256K"})
    assert (asked.context, asked.output) == (262_144, 65_536)
    assert of("vllm", "8xb200", serving={"context": "1M"}).output == 131_072
    tight = of("sglang", "10xh100")
    assert tight.context == plan_for("sglang", "10xh100").settings.context < 131_072


@settings(deadline=None, max_examples=100)
@given(st.integers(4, 1_048_576))
def test_prompt_and_answer_fit_the_context(context: int) -> None:
    output = endpoint.output_of(catalog.load().model, context, None)
    assert 0 < output < context
    env = read(Endpoint("t", "http://a", "m", context, output), "claude-code")["env"]
    window = int(env.get("CLAUDE_CODE_AUTO_COMPACT_WINDOW", 0))
    assert window + int(env["CLAUDE_CODE_MAX_OUTPUT_TOKENS"]) <= context


@pytest.mark.parametrize(
    ("framework", "version", "asked", "expected"),
    [
        ("vllm", None, {}, {}),
        ("vllm", None, {"thinking": "high", "preserve_thinking": True}, {}),
        ("sglang", "0.5.14", {}, {}),
        ("sglang", "0.5.14", {"thinking": "off"}, {"enable_thinking": False}),
        ("sglang", "0.5.14", {"preserve_thinking": True}, {"reasoning_effort": "max", "clear_thinking": False}),
    ],
)
def test_requests_carry_what_the_server_cannot_be_told(
    framework: str, version: str | None, asked: dict[str, Any], expected: dict[str, Any]
) -> None:
    server = of(framework, "8xh200", framework={"version": version}, serving=asked)
    assert server.template == expected
    model = read(server, "opencode")["provider"]["glm"]["models"]["glm-5.2"]
    assert model.get("options", {}).get("chat_template_kwargs", {}) == expected
    assert read(server, "crush")["providers"]["glm"].get("extra_body", {}).get("chat_template_kwargs", {}) == expected


@pytest.mark.parametrize(("thinking", "effort"), [("max", "max"), ("high", "high"), ("off", "unset")])
def test_claude_code_which_always_sends_an_effort_sends_the_servers(thinking: str, effort: str) -> None:
    env = read(of("vllm", "8xh200", serving={"thinking": thinking}), "claude-code")["env"]
    assert env["CLAUDE_CODE_EFFORT_LEVEL"] == effort
    assert ("CLAUDE_CODE_DISABLE_THINKING" in env) == (thinking == "off")


@pytest.mark.parametrize(("context", "name"), [("999999", "glm-5.2"), ("1M", "glm-5.2[1m]")])
def test_claude_code_alone_gets_the_mark_of_the_large_window(context: str, name: str) -> None:
    server = of("vllm", "8xb200", serving={"context": context})
    assert read(server, "claude-code")["env"]["ANTHROPIC_DEFAULT_OPUS_MODEL"] == name
    others = [
        text for path, text in files(server, *sorted(set(AGENTS) - {"claude-code"})).items() if "README" not in path
    ]
    assert not any("[1m]" in text for text in others)


def test_names_with_the_mark_alone_are_warned_of_where_the_engine_minds() -> None:
    for framework, names, codes in (
        ("vllm", ["glm-5.2[1m]"], ["GLM995"]),
        ("vllm", ["glm-5.2[1m]", "glm-5.2"], []),
        ("sglang", ["glm-5.2[1m]"], []),
    ):
        made = clients.make(of(framework, "8xh200", serving={"served_names": names}, **KEYED))
        assert [d.code for d in made.found] == codes
    assert of("vllm", "8xh200", serving={"served_names": ["a[1m]", "b"]}).model == "b"


def test_transformers_answers_to_its_own_name_and_reads_no_key() -> None:
    server = of("transformers", "8xh200", **KEYED)
    assert (server.model, server.key, server.messages) == ("zai-org/GLM-5.2-FP8", "", False)


# --- addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("http://10.0.0.7:8000", "http://10.0.0.7:8000"),
        ("http://10.0.0.7:8000/", "http://10.0.0.7:8000"),
        ("https://a.example/v1/", "https://a.example"),
        ("https://a.example/llm/v1", "https://a.example/llm"),
        ("http://[::1]:8000/v1", "http://[::1]:8000"),
    ],
)
def test_an_address_loses_its_version(url: str, root: str) -> None:
    assert endpoint.root_of(url) == root


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.example",
        "ftp://a",
        "http://",
        "http://a:0",
        "http://a:99999",
        "http://u:s3cr3t@a",
        "https://a/?key=s3cr3t",
        "http://a/#x",
        "http://a b",
        "http://a/$(id)",
        "http://a/\u202e",
        "http://a/\x1b[31m",
    ],
)
def test_what_is_no_address_is_refused_and_not_repeated(url: str, run: Run) -> None:
    result = run("clients", PROFILE, "--url", url) if url else run("clients", "--url", "x", "--context", "1M")
    assert result.code == 1
    assert "error[GLM991]" in result.err
    assert "s3cr3t" not in result.err
    assert result.out == ""


@settings(deadline=None, max_examples=200)
@given(st.text() | st.from_regex(r"https?://[a-z0-9.:@/?#\[\]v]{0,12}", fullmatch=True))
def test_any_text_is_an_address_or_a_code(text: str) -> None:
    try:
        root = endpoint.root_of(text)
    except ProfileError as error:
        assert [d.code for d in error.diagnostics] == ["GLM991"]  # noqa: PT017  either way is right
    else:
        assert re.fullmatch(r"https?://[^/@?#]+(/.*)?", root)
        assert not root.endswith(("/", "/v1"))


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("localhost", True), ("127.0.0.1", True), ("[::1]", True), ("10.0.0.7", False), ("glm.llm.svc", False)],
)
def test_an_open_server_off_this_machine_is_warned_of(host: str, loopback: bool, run: Run) -> None:
    result = run("clients", "--url", f"http://{host}:1", "--context", "128K", "--no-key", "--agent", "goose")
    assert (result.code, "warning[GLM993]" in result.err) == (0, not loopback)


def test_an_address_alone_needs_a_context_and_takes_no_profile_key(run: Run) -> None:
    assert run("clients").code == 2
    assert run("clients", "--url", "http://a").code == 2
    assert run("clients", "--url", "http://a", "--context", "1M", "--tp", "4").code == 2
    assert run("clients", PROFILE, "--no-key").code == 2
    assert run("clients", PROFILE, "--in-cluster", "--url", "http://a").code == 2
    assert run("clients", PROFILE, "--agent", "nonsense").code == 2


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--context", "1000", "--output-tokens", "1000"), "GLM992"),
        (("--context", "3"), "GLM992"),
        (("--context", "many"), "GLM011"),
        (("--context", "1M", "--model", "\x1b"), "GLM011"),
        (("--context", "1M", "--key-env", "sk-s3cr3t"), "GLM011"),
    ],
)
def test_options_that_make_no_sense_have_a_code(options: tuple[str, ...], code: str, run: Run) -> None:
    result = run("clients", "--url", "http://a", *options)
    assert (result.code, f"error[{code}]" in result.err) == (1, True)
    assert "s3cr3t" not in result.err
    assert "\x1b" not in result.err


def test_in_the_cluster_the_address_is_that_of_the_service(run: Run) -> None:
    out = run("clients", PROFILE, "--in-cluster", "--agent", "opencode", "--format", "json").json
    url = out["endpoint"]["openai_base_url"]
    found = re.fullmatch(r"http://(?P<name>[^.]+)\.(?P<namespace>[^.]+)\.svc:(?P<port>\d+)/v1", url)
    assert found
    service = (TESTS / "bundles" / PROFILE / "kubernetes" / "service.yaml").read_text()
    assert all(f'"{found[part]}"' in service for part in ("name", "namespace"))
    assert f"port: {found['port']}" in service


# --- what a server has not ------------------------------------------------------------------------------------------


def test_claude_code_is_refused_where_nothing_serves_messages(run: Run) -> None:
    argv = ("clients", "--framework", "transformers", "--gpus", "8xH200")
    refused = run(*argv, "--agent", "claude-code")
    assert (refused.code, refused.out) == (1, "")
    assert "error[GLM990]: nothing for Claude Code" in refused.err
    assert "a gateway such as LiteLLM" in refused.err
    rest = run(*argv, "--format", "json")
    assert rest.code == 0
    assert {a["agent"] for a in rest.json["agents"]} == set(AGENTS) - {"claude-code"}
    assert {s["api"] for s in rest.json["snippets"]} == {"openai"}
    assert [d["code"] for d in rest.json["diagnostics"]] == ["GLM990", "GLM990", "GLM994"]
    assert "GLM994" not in run(*argv, "--agent", "migration").err


def test_a_refused_plan_has_no_clients(run: Run) -> None:
    result = run("clients", "--framework", "vllm", "--gpus", "8xH100", "--format", "json")
    assert result.code == 1
    assert (result.json["agents"], result.json["endpoint"]) == ([], {})
    assert result.json["diagnostics"][0]["code"] == "GLM201"


# --- writing --------------------------------------------------------------------------------------------------------


def test_files_are_written_whole_and_a_file_of_yours_is_kept(run: Run, tmp_path: Path) -> None:
    first = run("clients", PROFILE, "-o", str(tmp_path / "c"))
    assert first.code == 0
    assert [Path(line) for line in first.out.splitlines()] == [
        tmp_path / "c" / a.path for a in clients.make(of("vllm", "8xh200")).artifacts()
    ]
    assert (tmp_path / "c" / "sdk" / "openai_chat.sh").stat().st_mode & 0o111
    assert run("clients", PROFILE, "-o", str(tmp_path / "c")).code == 0
    mine = tmp_path / "c" / "crush" / "crush.json"
    mine.write_text("{}")
    other = ("clients", PROFILE, "--key-env", "OTHER", "--set", "secrets.api_key=glm", "-o", str(tmp_path / "c"))
    refused = run(*other)
    assert (refused.code, "error[GLM505]" in refused.err, mine.read_text()) == (3, True, "{}")
    assert "OTHER" not in (tmp_path / "c" / "opencode" / "opencode.json").read_text()
    assert run(*other, "--force").code == 0
    assert "OTHER" in mine.read_text()


# --- the programs ---------------------------------------------------------------------------------------------------

PROGRAMS = [(effort, key) for effort in ("max", "high", "off") for key in ("GLM_API_KEY", "")]


def programs(effort: str, key: str, root: str = "http://localhost:8000") -> dict[str, str]:
    server = Endpoint("t", root, 'odd"name', 131_072, 32_768, key=key, effort=effort, preserve=True, engine="vllm")
    return {path.removeprefix("sdk/"): text for path, text in files(server, "sdk").items()}


@pytest.mark.parametrize(("effort", "key"), PROGRAMS)
def test_programs_compile(effort: str, key: str, tmp_path: Path) -> None:
    made = programs(effort, key)
    assert sorted(made) == sorted(
        [
            "README.md",
            *(f"{stem}.{end}" for stem in ("openai_chat", "anthropic_messages") for end in ("py", "ts", "sh")),
        ]
    )
    for name, text in made.items():
        if name.endswith(".py"):
            compile(text, name, "exec")
        if name.endswith(".sh"):
            assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0
            json.loads(text.partition("<<'JSON'\n")[2].removesuffix("JSON\n"))
    node = shutil.which("node")
    for name, text in made.items():
        if node and name.endswith(".ts"):  # written without types of its own, so that JavaScript's parser takes it
            path = tmp_path / f"{name}.mjs"
            path.write_text(text)
            checked = subprocess.run([node, "--check", str(path)], capture_output=True, text=True, check=False)
            assert (checked.returncode, checked.stderr) == (0, "")


class _Recorder(BaseHTTPRequestHandler):
    seen: list[tuple[str, str | None, Any]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.path, self.headers["Authorization"], json.loads(body)))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Not on stderr."""


@pytest.fixture
def recorder() -> Iterator[tuple[str, list[tuple[str, str | None, Any]]]]:
    """The address of a server that writes requests down, and the list of them."""
    handler = type("Handler", (_Recorder,), {"seen": []})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", handler.seen  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


# The program is a user's curl: there is nothing to run it with where there is none.
@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
@pytest.mark.parametrize("key", ["GLM_API_KEY", ""])
def test_curl_sends_what_the_engines_read(key: str, recorder: tuple[str, Any], tmp_path: Path) -> None:
    root, seen = recorder
    made = programs("high", key, root)
    for name in ("openai_chat.sh", "anthropic_messages.sh"):
        script = tmp_path / name
        script.write_text(made[name])
        environment = {"PATH": "/usr/bin:/bin", **({"GLM_API_KEY": "k"} if key else {})}
        done = subprocess.run(
            ["bash", str(script)], env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert (done.returncode, done.stdout) == (0, "ok"), done.stderr
    assert [path for path, _, _ in seen] == ["/v1/chat/completions", "/v1/messages"]
    assert {sent for _, sent, _ in seen} == {"Bearer k" if key else None}
    chat, messages = (body for _, _, body in seen)
    assert chat["chat_template_kwargs"] == {"reasoning_effort": "high", "clear_thinking": False}
    assert messages["output_config"] == {"effort": "high"}
    assert {body["model"] for body in (chat, messages)} == {'odd"name'}


def test_curl_without_the_variable_asks_nobody(recorder: tuple[str, Any]) -> None:
    root, seen = recorder
    text = programs("max", "GLM_API_KEY", root)["openai_chat.sh"]
    done = subprocess.run(
        ["bash"], input=text, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, "GLM_API_KEY" in done.stderr, seen) == (1, True, [])


@pytest.mark.parametrize("framework", sorted(catalog.load().frameworks))
def test_every_framework_has_clients(framework: str, run: Run) -> None:
    name = next(n for n in sorted(resources.shipped_profiles()) if n.endswith(framework))
    assert run("clients", name, "--format", "json").code == 0
