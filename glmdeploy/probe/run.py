"""The checks of one server, one after the other. No text of the report holds the key, whichever way it came back."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from glmdeploy.diagnostics import Diagnostic, Span
from glmdeploy.probe.checks import CHECKS, LACKS
from glmdeploy.probe.engine import Server
from glmdeploy.probe.outcome import Lacking, Unsupported
from glmdeploy.probe.report import Report, Result, Status
from glmdeploy.probe.shape import WrongError
from glmdeploy.probe.wire import NoAnswerError, connect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glmdeploy.probe.session import Session


def run(session: Session, names: Sequence[str]) -> Report:
    """Run the named checks in the order given; never raises for anything that a server does."""
    client = session.client
    if found := unreachable(session):
        return _not_asked(session, names, found[0])
    results = tuple(_clean(session, _one(session, name)) for name in names)
    try:
        measured = session.measured() if {"ttft", "tokens-per-second"} & set(names) else None
    except (NoAnswerError, WrongError):
        measured = None
    server = session.server if _time_is_left(session) else Server()
    return Report(
        str(client.address),
        server,
        client.clean(session.model) if _time_is_left(session) else session.given,
        results,
        measured.first if measured and measured.chunks else 0.0,
        measured.rate if measured else 0.0,
    )


def unreachable(session: Session) -> tuple[Diagnostic, ...]:
    """GLM903 where no connection can be made."""
    client = session.client
    try:
        connect(client.address, client.total.within(client.each), client.limit).close()
    except NoAnswerError as error:
        message = f"`{client.address}` cannot be asked: {client.sentence(str(error))}"
        return (Diagnostic("GLM903", message, hint=error.hint, span=Span(str(client.address))),)
    return ()


def _not_asked(session: Session, names: Sequence[str], found: Diagnostic) -> Report:
    results = [Result(name, Status.FAIL, f"not asked: {found.message}", found.hint) for name in names]
    model = session.given or session.expected.model
    return Report(str(session.client.address), Server(), model, tuple(results), found=(found,), connected=False)


def _time_is_left(session: Session) -> bool:
    return session.client.total.at > time.monotonic()


def _one(session: Session, name: str) -> Result:
    """One check, judged: everything that can go wrong with a server ends here."""
    if not _time_is_left(session):
        message = f"not asked: the {session.client.total.seconds:.3g} s of the run were over"
        return Result(name, Status.FAIL, message, "`--timeout` gives it longer, `--select` asks for less")
    start = time.monotonic()
    try:
        result = Result(name, Status.PASS, CHECKS[name](session).message)
    except Unsupported as reason:
        result = Result(name, Status.UNSUPPORTED, str(reason), reason.hint)
    except Lacking as reason:
        result = _lacking(session, name, reason)
    except (NoAnswerError, WrongError) as error:
        result = Result(name, Status.FAIL, str(error), error.hint)
    return replace(result, seconds=time.monotonic() - start)


def _lacking(session: Session, name: str, reason: Lacking) -> Result:
    known = LACKS.get(session.engine, {}).get(name)
    if known:
        return Result(name, Status.UNSUPPORTED, str(reason), known)
    return Result(name, Status.FAIL, str(reason), reason.hint)


def _clean(session: Session, result: Result) -> Result:
    return replace(result, message=session.client.sentence(result.message), hint=session.client.sentence(result.hint))
