"""What the parser scripts of this folder share: questions on standard input, answers on standard output.

A question is ``{"argv": [...], "env": {...}}`` with the launcher's words in front; its answer is ``{"ok", "stage",
"error", "abbreviated"}`` in the same order. Whatever a framework prints goes to standard error.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterable
from typing import NoReturn

LAUNCHERS = (
    ["python3", "-m", "sglang.launch_server"],
    ["sglang", "serve"],
    ["vllm", "serve"],
    ["transformers", "serve"],
)


class RefusedError(Exception):
    """The parser does not take the words."""


class Progress:
    """How far one question came."""

    def __init__(self) -> None:
        self.stage = "parser"


# Raises what the framework raises, and gives the options that its parser knows.
Ask = Callable[[list[str], Progress], Iterable[str]]


def words(argv: list[str]) -> list[str]:
    """The words after the launcher."""
    for head in LAUNCHERS:
        if argv[: len(head)] == head:
            return argv[len(head) :]
    return argv


def abbreviated(argv: list[str], known: Iterable[str]) -> list[str]:
    """Options that the parser only takes because they begin like one of its own."""
    options = set(known)
    written = [word.partition("=")[0] for word in argv if word.startswith("--")]
    spelled = [(word, word.replace("_", "-")) for word in written]
    return [word for word, dashed in spelled if word not in options and dashed.partition(".")[0] not in options]


def answer(argv: list[str], ask: Ask) -> dict[str, object]:
    """One answer."""
    progress, said = Progress(), io.StringIO()
    answered: dict[str, object] = {"ok": False, "error": "", "abbreviated": []}
    try:
        with contextlib.redirect_stderr(said):
            known = ask(words(argv), progress)
        answered.update(ok=True, abbreviated=abbreviated(words(argv), known))
    except SystemExit as stop:
        answered["error"] = said.getvalue().strip()[-1000:] or f"exit status {stop.code}"
    except Exception as error:  # noqa: BLE001  whatever a framework raises is its refusal
        answered["error"] = f"{type(error).__name__}: {error}"[:1000]
    return {**answered, "stage": progress.stage}


def in_child(env: dict[str, str], argvs: list[list[str]], ask: Ask) -> list[dict[str, object]]:
    """Answers under further environment variables, which frameworks may keep once they have read them."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.environ.update(env)
        with os.fdopen(writing, "w") as out:
            json.dump([answer(argv, ask) for argv in argvs], out)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as given:
        text = given.read()
    os.wait()
    return json.loads(text)


def serve(prepare: Callable[[], Ask]) -> NoReturn:
    """Answer all questions; exit status 3 when the framework itself cannot be imported."""
    questions = json.load(sys.stdin)
    out, sys.stdout = sys.stdout, sys.stderr
    try:
        ask = prepare()
    except ImportError as error:
        print(f"IMPORT: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(3)
    groups: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for index, question in enumerate(questions):
        groups.setdefault(tuple(sorted(question["env"].items())), []).append(index)
    answers: dict[int, dict[str, object]] = {}
    for env, indexes in groups.items():
        given = in_child(dict(env), [questions[index]["argv"] for index in indexes], ask)
        answers.update(zip(indexes, given, strict=True))
    json.dump([answers[index] for index in range(len(questions))], out)
    out.flush()
    os._exit(0)  # some frameworks leave threads behind
