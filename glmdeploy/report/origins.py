"""Where each setting comes from: asked for, the framework's default, glmdeploy's default, or the planner's choice.

Precedence is this order: an option of the command line, the profile, the planner where memory or the layout ask for
it, the default.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from glmdeploy.frameworks import ENGINES
from glmdeploy.profile import Profile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmdeploy.diagnostics import KeyPath, Span
    from glmdeploy.plan import Plan, Settings
    from glmdeploy.source import Source

ASKED, PLANNER = "asked for", "planner"
RECIPE, FRAMEWORK = "framework's recipe", "framework's default"
GLMDEPLOY, CATALOGUE = "glmdeploy's default", "catalogue"
LAYERS = (
    "options beat the environment, it beats the profile, that beats the one it extends, and all beat the workspace's "
    "defaults"
)
PRECEDENCE = "an option beats the profile, the profile beats the planner, and the planner beats a default"


@dataclass(frozen=True)
class Origin:
    """A setting, its value, who decided, and where or why."""

    setting: str
    value: str
    by: str
    why: str = ""


@dataclass(frozen=True)
class Key:
    """A key of a document of several layers, where it stands, and the places that it wins over, strongest first."""

    key: str
    place: str
    over: tuple[str, ...] = ()


def keys(source: Source | None) -> tuple[Key, ...]:
    """Every key that is not a mapping, in the document's order; nothing for a profile that stands alone."""
    if source is None or not source.layers:
        return ()
    order = list(Profile.model_fields)
    ordered = {key: source.data[key] for key in sorted(source.data, key=order.index)}
    return tuple(_key(at, source) for at in _leaves(ordered, ()))


def _leaves(node: dict[str, Any], at: KeyPath) -> Iterator[KeyPath]:
    for key, value in node.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*at, key))
        else:
            yield (*at, key)


def _key(at: KeyPath, source: Source) -> Key:
    spans = [layer.spans[at] for _, layer in reversed(source.layers) if at in layer.spans]
    own = source.spans.get(at)
    over = tuple(_place(span) for span in spans if span != own)
    return Key(_clean(".".join(map(str, at))), _place(own) if own else "", over)


def _place(span: Span) -> str:
    return _clean(f"{span.path}:{span.line}" if span.line else span.path)


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def origins(plan: Plan, source: Source | None) -> tuple[Origin, ...]:
    """Every setting of a plan, in the order of a profile."""
    return _Origins(plan, source).all()


class _Origins:
    def __init__(self, plan: Plan, source: Source | None) -> None:
        self.plan = plan
        self.source = source

    def all(self) -> tuple[Origin, ...]:
        named = (self.gpus(), self.checkpoint(), self.per_node(), self.version(), *self.sizes())
        if self.plan.refusal:
            return named
        settings = (self.context(), self.fraction(), self.chunk(), self.running(), self.kv(), self.mtp())
        return (*named, *settings, self.strategy())

    # --- what was asked for -----------------------------------------------------------------------

    def place(self, at: KeyPath) -> str | None:
        """Where ``at`` was asked for, or None; ``auto`` asks for nothing."""
        span = self.source.spans.get(at) if self.source else None
        if span is None or self._written(at) in {None, "auto"}:
            return None
        return _clean(f"{PurePath(span.path).name}:{span.line}" if span.line else span.path)

    def _written(self, at: KeyPath) -> object:
        node: object = self.source.data if self.source else None
        for key in at:
            node = node.get(key) if isinstance(node, dict) else None
        return node

    def asked(self, at: KeyPath, setting: str, value: str, *, otherwise: Origin) -> Origin:
        place = self.place(at)
        return otherwise if place is None else Origin(setting, value, ASKED, place)

    def recipe(self, setting: str, text: str, value: object, name: str) -> Origin | None:
        """The origin of a value that the framework's own recipe sets; None where it sets none, or another."""
        recipe = self.plan.settings.recipe
        if recipe is None or getattr(recipe, name, None) != value:
            return None
        who = f"its {recipe.strategy} recipe for {recipe.gpus} x {recipe.gpu}, {recipe.checkpoint}"
        return Origin(setting, text, RECIPE, who)

    # --- names ------------------------------------------------------------------------------------

    def gpus(self) -> Origin:
        label = self.plan.spec.cluster.label
        return Origin("GPUs", label, ASKED, self.place(("cluster", "gpus")) or "")

    def checkpoint(self) -> Origin:
        value = self.plan.spec.checkpoint.id
        default = Origin("checkpoint", value, GLMDEPLOY)
        return self.asked(("model", "checkpoint"), "checkpoint", value, otherwise=default)

    def per_node(self) -> Origin:
        cluster = self.plan.spec.cluster
        default = Origin("GPUs of a host", str(cluster.gpus_per_node), CATALOGUE, f"{cluster.gpu.name} as it is sold")
        return self.asked(("cluster", "gpus_per_node"), "GPUs of a host", default.value, otherwise=default)

    def version(self) -> Origin:
        spec = self.plan.spec
        name = f"{spec.framework.name} version"
        default = Origin(name, str(spec.version), CATALOGUE, "newest with a documented image for the GPU")
        return self.asked(("framework", "version"), name, default.value, otherwise=default)

    def sizes(self) -> tuple[Origin, ...]:
        """Parallel sizes that were asked for or are not 1, by whatever names layouts have."""
        layout, found = self.plan.layout, []
        why = f"the best of {len(self.plan.rejected) + 1} layouts in the planner's order"
        for name in (f.name for f in fields(layout) if f.name != "nodes"):
            value = getattr(layout, name)
            if not isinstance(value, int | str):
                continue
            default = self.recipe(name, str(value), value, {"tp": "gpus"}.get(name, name)) or Origin(
                name, str(value), PLANNER, why
            )
            origin = self.asked(("layout", name), name, str(value), otherwise=default)
            if origin.by == ASKED or (value not in {"", 0, 1} and not self.plan.refusal):
                found.append(origin)
        return tuple(found)

    # --- settings ---------------------------------------------------------------------------------

    @property
    def usual(self) -> Settings:
        """What the framework runs with when memory asks for nothing."""
        return ENGINES[self.plan.spec.framework.id].ladder(self.plan.spec, self.plan.layout)[0]

    def context(self) -> Origin:
        value, usual = self.plan.settings.context, self.usual.context
        default = Origin("context", f"{value:,}", GLMDEPLOY, "what `auto` means")
        if value > usual:
            default = Origin("context", f"{value:,}", PLANNER, "room for the answer and a prompt")
        elif value < usual:
            default = Origin("context", f"{value:,}", PLANNER, f"what memory holds of {usual:,}")
        asked = self.plan.spec.request.context
        if asked and asked != value:
            return Origin("context", f"{value:,}", PLANNER, f"the most that memory holds; {asked:,} were asked for")
        return self.asked(("serving", "context"), "context", f"{value:,}", otherwise=default)

    def fraction(self) -> Origin:
        plan = self.plan
        own = ENGINES[plan.spec.framework.id].default_fraction(plan.spec, plan.layout, plan.settings)
        value = f"{plan.settings.memory_fraction:.3g}"
        default = Origin("memory fraction", value, *self.usually("its own formula for these settings"))
        if cell := self.recipe("memory fraction", value, plan.settings.memory_fraction, "memory_fraction"):
            default = cell
        elif plan.settings.memory_fraction != own:
            default = Origin("memory fraction", value, PLANNER, f"the least that holds the context; default {own:.3g}")
        return self.asked(("serving", "memory_fraction"), "memory fraction", value, otherwise=default)

    def chunk(self) -> Origin:
        value, usual = self.plan.settings.prefill_chunk, self.usual.prefill_chunk
        return self.number(("serving", "prefill_chunk"), "prefill chunk", value, usual, "prefill_chunk")

    def running(self) -> Origin:
        value, usual = self.plan.settings.max_running, self.usual.max_running
        return self.number(("serving", "concurrency"), "running requests", value, usual, "max_running")

    def usually(self, why: str) -> tuple[str, str]:
        """Who sets what nobody asks for, and why: with attention data parallel not the engine."""
        if self.plan.layout.attn_dp > 1:
            return GLMDEPLOY, "as the framework's recipes with attention data parallel"
        return FRAMEWORK, why

    def number(self, at: KeyPath, setting: str, value: int, usual: int, name: str) -> Origin:
        default = Origin(setting, f"{value:,}", *self.usually("for this GPU and layout"))
        if cell := self.recipe(setting, default.value, value, name):
            default = cell
        elif value != usual:
            default = Origin(setting, f"{value:,}", PLANNER, f"memory is short; default {usual:,}")
        return self.asked(at, setting, f"{value:,}", otherwise=default)

    def kv(self) -> Origin:
        label = self.plan.settings.kv.label
        default = Origin("KV cache type", label, FRAMEWORK, "for this GPU and checkpoint")
        return self.asked(("serving", "kv_cache_dtype"), "KV cache type", label, otherwise=default)

    def mtp(self) -> Origin:
        mtp = self.plan.settings.mtp
        value = "on" if mtp.enabled else "off"
        default = Origin("MTP", value, PLANNER, mtp.reason)
        if self.plan.spec.request.mtp is not None and self.plan.spec.request.mtp != mtp.enabled:
            return default
        return self.asked(("serving", "mtp"), "MTP", value, otherwise=default)

    def strategy(self) -> Origin:
        value = self.plan.spec.request.strategy
        default = Origin("strategy", value, GLMDEPLOY)
        return self.asked(("serving", "strategy"), "strategy", value, otherwise=default)
