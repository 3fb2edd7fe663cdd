"""Hold bodies of requests against the request classes of a server; PYTHONPATH names the release.

Standard input is a JSON list of ``[path, body]``; standard output one of the reasons why a body is not taken, empty
where it is. The argument is the framework's import name.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from typing import Any

CHAT = {"vllm": "vllm.entrypoints.openai.chat_completion.protocol", "sglang": "sglang.srt.entrypoints.openai.protocol"}
ANTHROPIC = {"vllm": "vllm.entrypoints.anthropic.protocol", "sglang": "sglang.srt.entrypoints.anthropic.protocol"}


def request_class(framework: str, path: str) -> Any:
    """The class that the server makes of a body sent to ``path``."""
    if path == "/v1/chat/completions":
        return importlib.import_module(CHAT[framework]).ChatCompletionRequest
    module = importlib.import_module(ANTHROPIC[framework])
    return module.AnthropicCountTokensRequest if path.endswith("count_tokens") else module.AnthropicMessagesRequest


def reason(framework: str, path: str, body: Any) -> str:
    """Why a body is refused, or what of it the class does not know."""
    try:
        made = request_class(framework, path).model_validate(body)
    except ValueError as error:
        return str(error)
    return " ".join(sorted(made.model_extra or {}))


with contextlib.redirect_stdout(sys.stderr):
    answers = [reason(sys.argv[1], path, body) for path, body in json.load(sys.stdin)]
sys.stdout.write(json.dumps(answers))
