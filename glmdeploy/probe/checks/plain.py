"""Checks that ask for no text: health, readiness, the model list, the context, metrics, refusal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glmdeploy.probe import shape
from glmdeploy.probe.outcome import Good, Unsupported
from glmdeploy.probe.session import CHAT
from glmdeploy.probe.shape import WrongError
from glmdeploy.units import tokens

if TYPE_CHECKING:
    from glmdeploy.probe.client import Answer
    from glmdeploy.probe.session import Session

_ABSENT = frozenset({404, 405})
_REFUSED = frozenset({401, 403})
_BAD_REQUEST = 400
_WRONG_KEY = "glmdeploy-probe-a-wrong-key"
_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\]|\\.)*"'
_VALUE = r"(?:[+-]?(?:Inf|[0-9.]+(?:[eE][+-]?[0-9]+)?)|NaN)"
# the text format of Prometheus 0.0.4, and of OpenMetrics with its exemplars
_SAMPLE = re.compile(
    rf"({_NAME})(?:\{{(?:{_LABEL}(?:,{_LABEL})*,?)?\}})?[ \t]+{_VALUE}(?:[ \t]+[0-9.+-]+)?[ \t]*(?:# .*)?\Z"
)


def health(session: Session) -> Good:
    """`/health`; of LiteLLM, whose `/health` asks every model and wants the key, `/health/liveliness`."""
    answer, path = _first(session, "/health", "/health/liveliness")
    session.good(answer)
    return Good(f"`{path}` answers {answer.status} after {answer.seconds:.2f} s")


def readiness(session: Session) -> Good:
    """`/ready` of SGLang, `/health/readiness` of LiteLLM; the others have `/health` alone."""
    answer, path = _first(session, "/ready", "/health/readiness")
    if answer.status in _ABSENT:
        raise Unsupported("no `/ready`: `/health` is what this server has for readiness")
    session.good(answer)
    return Good(f"`{path}` answers {answer.status} after {answer.seconds:.2f} s")


def _first(session: Session, path: str, other: str) -> tuple[Answer, str]:
    """The answer of a path, or that of another one where the first is not there or not for strangers."""
    answer = session.get(path)
    if answer.status not in _ABSENT | _REFUSED:
        return answer, path
    instead = session.get(other)
    return (instead, other) if instead.ok else (answer, path)


def models(session: Session) -> Good:
    """`/v1/models` lists names, and the one that is asked for is among them."""
    names = [shape.at(entry, str, "id") for entry in session.listed]
    if not names:
        hint = "agents need a fixed model id there: a model from a folder is never listed"
        if session.engine == "transformers":
            raise Unsupported("the list is empty, as it is for a model from a folder", hint)
        raise WrongError("the list is empty")
    shown = session.client.quote(", ".join(names))
    if session.model not in names:
        raise WrongError(
            f"`{session.client.quote(session.model)}` is not listed, but {shown}", "`--model NAME` names it"
        )
    return Good(f"{shown} listed")


def context(session: Session) -> Good:
    """`max_model_len` of the model list, against the profile's context."""
    lengths = [shape.number(entry, "max_model_len") for entry in session.listed]
    served = next((length for length in lengths if length), 0)
    wanted = session.expected.context
    if not served:
        raise Unsupported("the model list does not say how long a context is served")
    if wanted and served < wanted:
        raise WrongError(
            f"{tokens(served)} are served, and the profile has {wanted:,}", "render the profile and start it"
        )
    if not wanted:
        return Good(f"{tokens(served)} are served; `--profile` compares them")
    return Good(f"{tokens(served)} are served" + (", as planned" if served == wanted else f", and {wanted:,} planned"))


def metrics(session: Session) -> Good:
    """`/metrics` is text that Prometheus reads."""
    answer = session.get("/metrics")
    if answer.status in _ABSENT:
        raise Unsupported("no `/metrics`", "SGLang serves them with `--enable-metrics`; Transformers has none")
    session.good(answer)
    if answer.kind not in {"text/plain", "application/openmetrics-text"}:
        raise WrongError(f"the content type is `{session.client.quote(answer.kind)}`, not `text/plain`")
    names = set()
    for number, line in enumerate(answer.text.split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _SAMPLE.match(line)
        if found is None:
            raise WrongError(f"line {number} is no sample that Prometheus reads: {session.client.quote(line)}")
        names.add(found[1])
    if not names:
        raise WrongError("there is no sample in it")
    return Good(f"{len(names):,} names of samples")


def refusal(session: Session) -> Good:
    """Without a key and with a wrong one, neither the list nor the model is reached."""
    if not session.client.key:
        raise Unsupported("no key was given, so that none can be missing", "`--key-env NAME` or `--key-file FILE`")
    body = session.question("Hello", 1, {})
    statuses = set()
    for key, what in (("", "without a key"), (_WRONG_KEY, "with a wrong key")):
        for path in ("/v1/models", CHAT):
            answer = session.client.post(path, body, key=key) if path == CHAT else session.client.get(path, key=key)
            _refused(session, answer, f"`{path}` {what}")
            statuses.add(answer.status)
    return Good(f"without a key and with a wrong one: status {' or '.join(map(str, sorted(statuses)))}")


def _refused(session: Session, answer: Answer, what: str) -> None:
    allowed = (
        _REFUSED | {_BAD_REQUEST} if session.server.engine == "litellm" else _REFUSED
    )  # LiteLLM without a database says 400
    if answer.ok:
        raise WrongError(f"{what} is answered", "start the server with its key: see `secrets.api_key` of the profile")
    if answer.status not in allowed:
        raise WrongError(f"{what} has status {answer.status}, not 401 or 403")
