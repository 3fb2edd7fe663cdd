"""`glmdeploy list`."""

from __future__ import annotations

import json
import sys
import textwrap
from typing import TYPE_CHECKING

import click

from glmdeploy import catalog, resources, rules, source
from glmdeploy.units import gb

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from glmdeploy.forms import listing

_COLUMNS = 80


def _gpus() -> list[listing.GpuRow]:
    """``unsure`` counts the figures that nobody checked; the catalogue's file names them."""
    return [
        {
            "gpu": g.id,
            "aliases": " ".join(g.aliases[:2]),
            "memory": f"{g.memory_gb} GB",
            "driver": f"{g.memory_mib} MiB",
            "node": str(g.gpus_per_node),
            "unsure": str(len(g.unverified) or ""),
        }
        for g in catalog.load().gpus.values()
    ]


def _models() -> list[listing.ModelRow]:
    return [
        {
            "model": m.id,
            "parameters": f"{m.parameters / 10**9:.0f} B",
            "context": f"{m.max_context:,}",
            "output": f"{m.max_output:,}",
            "license": m.license,
        }
        for m in catalog.load().models.values()
    ]


def _checkpoints() -> list[listing.CheckpointRow]:
    return [
        {
            "checkpoint": c.id,
            "repository": c.repo,
            "size": gb(c.total_bytes),
            "frameworks": "all" if len(c.frameworks) == len(catalog.load().frameworks) else " ".join(c.frameworks),
        }
        for c in catalog.load().model.checkpoints
    ]


def _frameworks() -> list[listing.FrameworkRow]:
    return [
        {
            "framework": f.id,
            "floor": str(f.floor),
            "default": str(f.default),
            "newest known": str(max(f.tested)),
            "port": str(f.port),
        }
        for f in catalog.load().frameworks.values()
    ]


def _recipes() -> list[listing.RecipeRow]:
    """The frameworks' own recipes that the strategies follow."""
    return [
        {
            "framework": f.id,
            "gpus": f"{r.gpus}x{catalog.load().gpus[r.gpu].short}",
            "checkpoint": r.checkpoint,
            "strategy": r.strategy,
            "attn-dp": str(r.attn_dp),
            "mtp": str(r.mtp_steps),
            "fraction": f"{r.memory_fraction:g}",
            "verified": "yes" if r.verified else "no",
        }
        for f in catalog.load().frameworks.values()
        for r in f.recipes
    ]


def _differences() -> list[listing.DifferenceRow]:
    """Where a plan does not do what a framework's recipe says."""
    return [{"framework": f.id, "why": why} for f in catalog.load().frameworks.values() for why in f.differs]


def _profiles() -> list[listing.ProfileRow]:
    rows: list[listing.ProfileRow] = []
    for name, path in resources.shipped_profiles().items():
        cluster, framework = (source.read(path).data[key] for key in ("cluster", "framework"))
        rows.append({"profile": name, "gpus": f"{cluster['gpus']}x{cluster['gpu']}", "framework": framework["name"]})
    return rows


def _rules() -> list[listing.RuleRow]:
    return [{"code": page.code, "title": page.title} for page in rules.pages().values()]


LISTS: dict[str, Callable[[], Sequence[listing.Row]]] = {
    "gpus": _gpus,
    "models": _models,
    "checkpoints": _checkpoints,
    "frameworks": _frameworks,
    "recipes": _recipes,
    "differences": _differences,
    "profiles": _profiles,
    "rules": _rules,
}


@click.command(name="list")
@click.argument("what", type=click.Choice(list(LISTS)), metavar="WHAT")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, or for programs.",
)
def command(what: str, form: str) -> None:
    """List what the catalogue and this installation hold.

    WHAT is gpus, models, checkpoints, frameworks, recipes, differences,
    profiles or rules.

    \b
    Examples:
      glmdeploy list gpus
      glmdeploy list profiles --format json
    """
    rows = list(LISTS[what]())
    if form == "json":
        data: listing.ListForm = {"format": "glmdeploy-list/v1", "kind": what, "rows": rows}
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
    else:
        sys.stdout.write(_table([{c: str(text) for c, text in row.items()} for row in rows]))


def _table(rows: list[dict[str, str]]) -> str:
    """Rows in columns; the last one is broken where a line would be longer than 80 columns."""
    columns = [c for c in rows[0] if any(r[c] for r in rows)]
    widths = {c: max(len(c), *(len(r[c]) for r in rows)) for c in columns}
    first = sum(widths[c] + 2 for c in columns[:-1])
    lines = []
    for row in ({c: c for c in columns}, *rows):
        head = "".join(f"{row[c]:<{widths[c] + 2}}" for c in columns[:-1])
        parts = textwrap.wrap(row[columns[-1]], max(20, _COLUMNS - first), break_on_hyphens=False) or [""]
        lines += [head + parts[0], *(" " * first + part for part in parts[1:])]
    return "\n".join(line.rstrip() for line in lines) + "\n"
