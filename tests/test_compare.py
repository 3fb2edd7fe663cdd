"""`compare` against two real servers on loopback, and files of tasks."""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from servers import CHAT, MODEL, Engine, Handler, serving

from glmdeploy import source
from glmdeploy.probe.compare import normal
from glmdeploy.probe.tasks import read
from glmdeploy.schemas import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Result

    Run = Callable[..., Result]

KEY_A, KEY_B = "sk-key-of-a-111", "sk-key-of-b-222"
TASKS = """\
tasks:
  - id: capital
    prompt: What is the capital of France?
    expect: {contains: [Paris], regex: "^Paris"}
  - id: sum
    messages:
      - {role: system, content: Answer with a number.}
      - {role: user, content: What is 17 times 23?}
    max_tokens: 64
    temperature: 0.5
    thinking: "off"
"""


def said(answers: dict[str, str]) -> Callable[[dict[str, Any]], str]:
    """An engine's answers by a word of the question."""
    return lambda body: next((a for word, a in answers.items() if word in body["messages"][-1]["content"]), "Hello.")


@pytest.fixture
def tasks(tmp_path: Path) -> str:
    path = tmp_path / "tasks.yaml"
    path.write_text(TASKS)
    return str(path)


RIGHT = {"France": "Paris is.", "17": "391"}


def test_two_servers_that_say_the_same_do_not_differ(run: Run, tasks: str) -> None:
    one, other = Engine("sglang", say=said(RIGHT)), Engine("vllm", say=said({**RIGHT, "17": "391 "}))
    with serving(one) as a, serving(other) as b:
        result = run("compare", a, b, "--tasks", tasks, "--exit-code")
    assert (result.code, result.err, result.out.splitlines()[-1]) == (0, "", "2 tasks: 0 different")
    assert f"a: {a}, sglang 0.5.23, model {MODEL}\nb: {b}, vllm 0.33.0, model {MODEL}\n" in result.out
    sent = {body["messages"][-1]["content"]: body for _, path, body, _ in one.asked if path == CHAT}
    body = sent["What is 17 times 23?"]
    assert (body["max_tokens"], body["temperature"], body["stream"]) == (64, 0.5, True)
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert body["messages"][0] == {"role": "system", "content": "Answer with a number."}
    assert "chat_template_kwargs" not in sent["What is the capital of France?"]


@pytest.mark.parametrize(("form", "code"), [("text", 3), ("json", 3), ("markdown", 3)])
def test_what_differs_is_said_and_is_exit_code_3_when_asked(form: str, code: int, run: Run, tasks: str) -> None:
    wrong = Engine(say=said({"France": "Lyon | `x` <b>", "17": "391"}))
    with serving(Engine(say=said(RIGHT))) as a, serving(wrong) as b:
        argv = ("compare", a, b, "--tasks", tasks, "--format", form)
        plain, result = run(*argv), run(*argv, "--exit-code")
    assert (plain.code, result.code) == (0, code)
    if form == "json":
        document = result.json
        assert list(Draft202012Validator(SCHEMAS["compare"]()).iter_errors(document)) == []
        assert [t["differs"] for t in document["tasks"]] == [["answer", "expectation"], []]
        assert document["tasks"][0]["b"]["unmet"] == ["does not contain 'Paris'", "does not match '^Paris'"]
        assert (document["different"], document["a"]["unmet"], document["b"]["unmet"]) == (1, 0, 1)
        assert document["a"]["ttft_seconds"] > 0
        assert document["tasks"][0]["a"]["answer"] == "Paris is. "
    elif form == "text":
        assert "different  capital  answer, expectation\n" in result.out
        assert "b: 'Lyon | `x` <b>' (stop, 5 tokens); does not contain 'Paris'" in result.out
        assert result.out.endswith("2 tasks: 1 different\n")
    else:
        assert result.out.startswith("**2 tasks: 1 different**\n")
        assert "<b>" not in result.out
        assert [line.count(" | ") for line in result.out.splitlines() if line.startswith("| capital")] == [3]


def test_finish_reasons_and_prompt_tokens_differ(run: Run, tasks: str) -> None:
    def cut(handler: Handler) -> None:
        handler.begin()
        handler.delta("length", content="Paris is.")
        handler.event({"choices": [], "usage": {"prompt_tokens": 99, "completion_tokens": 5}})
        handler.chunk("data: [DONE]\n\n")
        handler.chunk("")

    with serving(Engine(say=said(RIGHT))) as a, serving(Engine(faults={CHAT: cut})) as b:
        document = run("compare", a, b, "--tasks", tasks, "--format", "json").json
    assert document["tasks"][0]["differs"] == ["finish_reason", "prompt_tokens"]


def test_answers_are_compared_without_their_white_space() -> None:
    assert normal(" a\r\n b\tc ") == normal("a b c")
    assert normal("e\u0301") == normal("\u00e9")
    assert normal("A") != normal("a")


def test_each_server_gets_its_own_key(run: Run, tasks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", KEY_A)
    (tmp_path / "b").write_text(KEY_B)
    one, other = Engine(key=KEY_A), Engine(key=KEY_B)
    with serving(one) as a, serving(other) as b:
        result = run("compare", a, b, "--tasks", tasks, "--key-env-a", "A_KEY", "--key-file-b", str(tmp_path / "b"))
    assert result.code == 0
    assert {given for *_, given in one.asked} == {f"Bearer {KEY_A}"}
    assert {given for *_, given in other.asked} == {f"Bearer {KEY_B}"}


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_a_key_in_an_answer_is_never_shown_and_control_characters_are_inert(
    form: str, run: Run, tasks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B_KEY", KEY_B)
    echo = Engine(key=KEY_B, say=lambda _: f"key {KEY_B}\n\x1b[2J\u202e")
    with serving(Engine()) as a, serving(echo) as b:
        result = run("compare", a, b, "--tasks", tasks, "--key-env-b", "B_KEY", "--format", form)
    assert "***" in result.out.replace("\\", "")  # Markdown escapes it
    assert KEY_B not in result.out + result.err
    assert all(c.isprintable() or c == "\n" for c in result.out + result.err)


def test_a_task_that_is_not_answered_is_an_error(run: Run, tasks: str) -> None:
    broken = Engine(faults={CHAT: lambda handler: handler.raw(b"\x1b]0;dead", 500, "text/plain")})
    with serving(Engine()) as a, serving(broken) as b:
        result = run("compare", a, b, "--tasks", tasks)
    assert (result.code, "error[GLM912]: 2 of 2 tasks were not answered by both: `capital`, `sum`" in result.err) == (
        1,
        True,
    )
    assert "no answer  capital  error\n" in result.out
    assert "b: no answer: status 500: \\x1b]0;dead" in result.out


def test_a_server_that_is_not_there_is_an_error(run: Run, tasks: str) -> None:
    with serving(Engine()) as a:
        result = run("compare", a, "http://127.0.0.1:1", "--tasks", tasks)
    assert (result.code, "error[GLM903]: `http://127.0.0.1:1`" in result.err, result.out) == (1, True, "")


def test_the_run_is_bounded(run: Run, tasks: str) -> None:
    def never_ends(handler: Handler) -> None:
        handler.begin()
        while True:
            handler.delta(content="1 ")
            time.sleep(0.05)

    start = time.monotonic()
    with serving(Engine()) as a, serving(Engine(faults={CHAT: never_ends})) as b:
        result = run("compare", a, b, "--tasks", tasks, "--timeout", "2", "--concurrency", "1")
    assert (result.code, "GLM912" in result.err) == (1, True)
    assert time.monotonic() - start < 20


def test_no_more_tasks_run_at_a_time_than_asked(run: Run, tmp_path: Path) -> None:
    lock, running, most = threading.Lock(), [0], [0]

    def say(_: dict[str, Any]) -> str:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.1)
        with lock:
            running[0] -= 1
        return "Hello."

    path = tmp_path / "t.yaml"
    path.write_text("tasks:\n" + "".join(f"  - {{id: t{n}, prompt: a}}\n" for n in range(8)))
    with serving(Engine(say=say)) as a, serving(Engine()) as b:
        assert run("compare", a, b, "--tasks", str(path), "--concurrency", "2").code == 0
    assert most[0] == 2


# --- expectations and files ---------------------------------------------------------------------------------------

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@pytest.mark.parametrize(
    ("schema", "answer", "unmet"),
    [
        (SCHEMA, '{"n": 1}', []),
        (SCHEMA, '{"n": "1"}', ["does not fit its schema at `$.n` (`type`)"]),
        (SCHEMA, "n is 1", ["is not JSON"]),
        ({"$ref": "http://127.0.0.1:1/s.json"}, "{}", ["cannot be judged: the schema refers to what is not in it"]),
    ],
)
def test_answers_are_held_against_a_schema(
    schema: Any, answer: str, unmet: list[str], run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps({"id": "n", "prompt": "One.", "expect": {"json_schema": schema}}) + "\n\n")
    with serving(Engine(say=lambda _: answer)) as a, serving(Engine(say=lambda _: answer)) as b:
        document = run("compare", a, b, "--tasks", str(path), "--format", "json").json
    assert document["tasks"][0]["a"]["unmet"] == unmet


def test_lines_of_json_are_tasks(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"id": "a", "prompt": "One."}\n\n{"id": "b", "messages": [{"role": "user", "content": "Two."}]}\n')
    assert [(t.id, t.conversation[0]["content"], t.temperature) for t in read(path)] == [
        ("a", "One.", 0),
        ("b", "Two.", 0),
    ]


BAD = {
    "GLM001": ("missing.yaml", None, ""),
    "GLM003": ("t.yaml", "tasks: [", ""),
    "GLM005": ("t.yaml", "", ""),
    "GLM010": ("t.yaml", "tasks:\n  - {id: a, promt: x}\n", "t.yaml:2:"),
    "GLM011": ("t.yaml", "tasks:\n  - {id: a, prompt: x, temperature: 3}\n", "t.yaml:2:"),
    "GLM012": ("t.yaml", "tasks:\n  - {prompt: a}\n", "t.yaml:2:"),
    "GLM910": ("t.yaml", "tasks:\n  - {id: a, prompt: x}\n  - {id: a, prompt: y}\n", "t.yaml:3:"),
}


@pytest.mark.parametrize("code", BAD)
def test_a_file_that_holds_no_tasks_is_refused_in_its_place(code: str, run: Run, tmp_path: Path) -> None:
    name, text, place = BAD[code]
    if text is not None:
        (tmp_path / name).write_text(text)
    result = run("compare", "http://127.0.0.1:1", "http://127.0.0.1:1", "--tasks", str(tmp_path / name))
    assert (result.code, f"error[{code}]" in result.err, place in result.err) == (1, True, True)


@pytest.mark.parametrize("task", ["{id: a}", "{id: a, prompt: x, messages: [{role: user, content: y}]}"])
def test_a_task_asks_in_one_way(task: str, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(f"tasks:\n  - {task}\n")
    result = run("compare", "http://127.0.0.1:1", "http://127.0.0.1:1", "--tasks", str(path))
    assert (result.code, "error[GLM910]: task `a`: it has" in result.err, "t.yaml:2:" in result.err) == (1, True, True)


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ('regex: "("', "no regular expression"),
        ("json_schema: {type: strin}", "no JSON Schema"),
    ],
)
def test_an_expectation_that_is_none_is_refused(expect: str, said: str, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(f"tasks:\n  - id: a\n    prompt: x\n    expect:\n      {expect}\n")
    result = run("compare", "http://127.0.0.1:1", "http://127.0.0.1:1", "--tasks", str(path))
    assert (result.code, "error[GLM910]: task `a`: " in result.err, said in result.err) == (1, True, True)
    assert "t.yaml:5:" in result.err


def test_a_line_that_is_no_task_is_named(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"id": "a", "prompt": "x"}\n{"id": "b", "prompt": "x", "max_tokens": 0}\n')
    result = run("compare", "http://127.0.0.1:1", "http://127.0.0.1:1", "--tasks", str(path))
    assert (result.code, "error[GLM011]" in result.err, "t.jsonl:2:" in result.err) == (1, True, True)


def test_an_empty_file_of_lines_is_refused(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text("\n")
    result = run("compare", "http://127.0.0.1:1", "http://127.0.0.1:1", "--tasks", str(path))
    assert (result.code, "error[GLM910]: 0 tasks" in result.err) == (1, True)


def test_without_jsonschema_an_expectation_of_it_is_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    path = tmp_path / "t.yaml"
    path.write_text("tasks:\n  - {id: a, prompt: x, expect: {json_schema: {type: object}}}\n")
    result = run("compare", "http://127.0.0.1:1", "http://127.0.0.1:1", "--tasks", str(path))
    assert (result.code, "error[GLM911]" in result.err, "glmdeploy[compare]" in result.err) == (1, True, True)


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (("http://h", "http://h"), 2),
        (("http://h", "http://h", "--tasks", "T", "--key-env-a", "A", "--key-file-a", "B"), 2),
        (("http://h", "ftp://h", "--tasks", "T"), 2),
        (("http://h", "http://h", "--tasks", "T", "--key-env-b", "COMPARE_NO_SUCH"), 2),
        (("http://h", "http://h", "--tasks", "T", "--concurrency", "0"), 2),
    ],
)
def test_usage_errors(argv: tuple[str, ...], code: int, run: Run, tasks: str) -> None:
    assert run("compare", *(tasks if word == "T" else word for word in argv)).code == code


def test_the_schema_takes_what_the_parser_takes(tasks: str, tmp_path: Path) -> None:
    judge = Draft202012Validator(SCHEMAS["tasks"]())
    assert list(judge.iter_errors(source.parse(tasks, TASKS).data)) == []
    assert not judge.is_valid({"tasks": []})
    assert not judge.is_valid({"tasks": [{"id": "a", "promt": "x"}]})
    for example in judge.schema["properties"]["tasks"]["examples"]:
        path = tmp_path / "e.yaml"
        path.write_text(json.dumps({"tasks": [{k: v for k, v in task.items() if k != "messages"} for task in example]}))
        assert read(path)
