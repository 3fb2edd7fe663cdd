"""Which engine answers, guessed from what only it says; each guess names its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from glmdeploy.probe import shape
from glmdeploy.probe.shape import WrongError
from glmdeploy.probe.wire import NoAnswerError

if TYPE_CHECKING:
    from glmdeploy.forms.probe import ServerForm
    from glmdeploy.probe.session import Session

# `owned_by` of the model list -> where that engine says its version (sglang 0.5.23 http_server.py, vllm 0.33.0
# serve/instrumentator/basic.py)
_VERSIONS = {"sglang": "/server_info", "vllm": "/version"}
# What LiteLLM says of itself (1.106.2 proxy/health_endpoints/_health_endpoints.py); the second wants the key.
_ALIVE = ("/health/liveliness", '"I\'m alive!"')
_DETAILS = "/health/readiness/details"


@dataclass(frozen=True)
class Server:
    """An engine's id or `litellm`, its version, and the evidence; all empty where nothing tells."""

    engine: str = ""
    version: str = ""
    evidence: str = ""

    def as_json(self) -> ServerForm:
        """The members of the JSON form, in order."""
        return {"engine": self.engine, "version": self.version, "evidence": self.evidence}


def guess(session: Session) -> Server:
    """The engine behind a session's server; never raises."""
    return _listed(session) or _gateway(session) or _transformers(session) or Server()


def _gateway(session: Session) -> Server | None:
    path, word = _ALIVE
    try:
        answer = session.get(path)
    except NoAnswerError:
        return None
    if not answer.ok or answer.text.strip() != word:
        return None
    return Server("litellm", _version(session, _DETAILS, "litellm_version"), f"the answer of `{path}`")


def _version(session: Session, path: str, member: str) -> str:
    try:
        return session.client.quote(shape.text(session.json(session.get(path)), member))
    except (NoAnswerError, WrongError):
        return ""


def _listed(session: Session) -> Server | None:
    try:
        owner = shape.text(session.listed, 0, "owned_by")
    except (NoAnswerError, WrongError):
        return None
    if owner not in _VERSIONS:
        return None
    return Server(owner, _version(session, _VERSIONS[owner], "version"), "`owned_by` in the model list")


def _transformers(session: Session) -> Server | None:
    """`transformers serve` numbers its answers, and its `/health` is one word of JSON (5.23.0 cli/serving/server.py)."""
    try:
        answer = session.get("/health")
        alive = session.json(answer) == {"status": "ok"}
    except (NoAnswerError, WrongError):
        return None
    if not alive or "x-request-id" not in answer.headers:
        return None
    return Server("transformers", "", "the answer of `/health`")
