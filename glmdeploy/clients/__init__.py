"""Configurations of coding agents and SDKs for a server. Adding an agent is one entry of `AGENTS`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from glmdeploy import templating
from glmdeploy.bundle import Artifact, Bundle, refuse_clobber, write_file
from glmdeploy.clients import dialogs, endpoint, files, sdk
from glmdeploy.clients.endpoint import NO_KEY, TIMEOUT, Endpoint
from glmdeploy.diagnostics import Diagnostic, Level

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from glmdeploy.clients.sdk import Snippet
    from glmdeploy.clients.setup import Agent, Setup

AGENTS: dict[str, Agent] = {
    "claude-code": files.CLAUDE_CODE,
    "cline": dialogs.CLINE,
    "opencode": files.OPENCODE,
    "roo-code": dialogs.ROO_CODE,
    "goose": files.GOOSE,
    "crush": files.CRUSH,
    "openclaw": files.OPENCLAW,
    "kilo-code": files.KILO_CODE,
}
SDK, MIGRATION = "sdk", "migration"
NAMES = (*AGENTS, SDK, MIGRATION)


@dataclass(frozen=True)
class Clients:
    """What was made for an endpoint, and what its user must be told."""

    endpoint: Endpoint
    setups: tuple[tuple[str, Setup], ...]
    snippets: tuple[Snippet, ...]
    migration: str
    found: tuple[Diagnostic, ...]

    def artifacts(self) -> tuple[Artifact, ...]:
        """Every file, a folder for each agent: what it reads, and its page."""
        return tuple(self._artifacts())

    def write(self, folder: Path, *, force: bool = False) -> tuple[Path, ...]:
        """Write every file, or none where another text stands in the way (WriteError, clobber); the paths written."""
        artifacts = self.artifacts()
        for artifact in artifacts:
            refuse_clobber(folder / artifact.path, artifact.text, force=force)
        for artifact in artifacts:
            write_file(folder / artifact.path, artifact.text, mode=0o755 if artifact.executable else 0o644)
        return tuple(folder / a.path for a in artifacts)

    def text(self) -> str:
        """All files one after the other, for a terminal or a pipe."""
        return Bundle(self.artifacts()).text()

    def _artifacts(self) -> Iterator[Artifact]:
        for name, setup in self.setups:
            yield Artifact(f"{name}/README.md", page(name, setup, self.endpoint))
            yield from (Artifact(f"{name}/{f.name}", f.text) for f in setup.files)
        if self.snippets:
            yield Artifact(f"{SDK}/README.md", _sdk_page(self.snippets, self.endpoint))
        for snippet in self.snippets:
            yield Artifact(f"{SDK}/{snippet.name}", snippet.text, executable=snippet.language == "curl")
        if self.migration:
            yield Artifact(f"{MIGRATION}.md", self.migration)


def make(server: Endpoint, wanted: Sequence[str] = ()) -> Clients:
    """The configurations that were asked for by the names of `NAMES`; all that the server can take when none was."""
    names = tuple(dict.fromkeys(wanted)) or NAMES
    refused = () if server.messages else tuple(_refused(names, asked=bool(wanted)))
    chosen = [n for n in AGENTS if n in names and (server.messages or not AGENTS[n].messages)]
    return Clients(
        server,
        tuple((name, AGENTS[name].make(server)) for name in chosen),
        tuple(sdk.snippets(server)) if SDK in names else (),
        templating.render("clients/migration.md.j2", **_common(server)) if MIGRATION in names else "",
        (*refused, *endpoint.check(server, agents=bool(set(names) & set(AGENTS)))),
    )


def _refused(names: Sequence[str], *, asked: bool) -> Iterator[Diagnostic]:
    """What speaks only an API that the server has not: an error where it was asked for by name."""
    titles = [AGENTS[n].title for n in AGENTS if n in names and AGENTS[n].messages]
    without = [(t, Level.ERROR if asked else Level.WARNING) for t in titles]
    without += [("the Anthropic SDK", Level.WARNING)] if SDK in names else []
    for title, level in without:
        yield Diagnostic(
            "GLM990",
            f"nothing for {title}: it needs `/v1/messages`, which Transformers does not serve",
            level,
            at=("framework", "name"),
            hint="put a gateway such as LiteLLM before the server and give its address with `--url`, without a profile",
        )


def page(name: str, setup: Setup, server: Endpoint) -> str:
    """The page of an agent, Markdown."""
    agent = AGENTS[name]
    fields = tuple((label, _cell(value)) for label, value in setup.fields)
    return templating.render(
        "clients/agent.md.j2",
        **_common(server),
        title=agent.title,
        address=server.root if agent.messages else server.v1,
        files=setup.files,
        fields=fields,
        variables=setup.variables,
        notes=setup.notes,
        checked=agent.checked,
    )


def _sdk_page(made: Sequence[Snippet], server: Endpoint) -> str:
    return templating.render("clients/sdk.md.j2", **_common(server), snippets=made, timeout=TIMEOUT)


def _common(server: Endpoint) -> dict[str, object]:
    origin = (
        f"profile {server.name}. Edit the profile, not this file." if server.engine else f"the address {server.root}."
    )
    key = (
        f"the value of the environment variable `{server.key}`, sent as Bearer"
        if server.key
        else f"none: the server reads none, and clients that insist on one send any word, such as `{NO_KEY}`"
    )
    figures = {"context": server.context, "output": server.output, "prompt": server.prompt, "running": server.running}
    shown = {name: f"{figure:,}" for name, figure in figures.items()}
    return {**shown, "endpoint": server, "header": f"Generated by glmdeploy from {origin}", "key": key}


def _cell(text: str) -> str:
    """A value inside a code span of a Markdown table."""
    return text.replace("|", "\\|").replace("`", "'")
