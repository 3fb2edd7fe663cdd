"""`transformers serve`: one process on one host, whole layers on each GPU, no authentication of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmdeploy import verdict
from glmdeploy.frameworks.command import PORT, Command, environment, model_word, offline, role, secrets
from glmdeploy.frameworks.common import Adapter
from glmdeploy.layout import Shards
from glmdeploy.memory import before_loading, kv_per_token, weigher
from glmdeploy.plan import KVFormat, MemoryBudget, Mtp, Refusal, StageBudget, StageNeed, Term
from glmdeploy.process import Health, Process

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from glmdeploy.layout import Layout, Placement
    from glmdeploy.plan import Plan, Settings
    from glmdeploy.process import Word
    from glmdeploy.spec import Spec

_ROW = 576 * 2  # DynamicCache keeps the latent row in BF16
_INDEX = 128 * 2  # and the indexer keys too
# The longest prompt that a plan must hold: prefill is one step, and its indexer scores grow with the square.
PROMPT = 4096
_SCORES = "transformers 5.23.0 modeling_glm_moe_dsa.py: FP32 scores of every head, query and key (huggingface/transformers#48788)"
_EXPANDED = "transformers 5.23.0: keys and values of every cached token are expanded a step"


class Transformers(Adapter):
    """A pipeline of whole layers in one process, by `device_map=auto`; one GPU is busy at a time."""

    one_process = True
    # attention expands every cached token a step, and prefill is one step: short contexts, [est]
    default_context = verdict.MIN_CONTEXT
    fraction_cap = 1.0

    def tensor_sizes(self, spec: Spec) -> Sequence[int]:
        """No tensor parallelism: a second process fails to bind the port."""
        del spec
        return (1,)

    def stage_counts(self, spec: Spec, tp: int) -> Iterable[int]:
        """All GPUs of the host: device_map spreads the layers over what it sees."""
        del tp
        return (min(spec.cluster.gpus, spec.model.layers),)

    def refuse(self, spec: Spec, layout: Layout) -> Refusal | None:
        """One host, tensor parallel size 1."""
        if refusal := self.takes((), spec, layout):
            return refusal
        if layout.tp > 1:
            return Refusal(
                "GLM318",
                f"`transformers serve` has no tensor parallelism (size {layout.tp} was asked for): legal is 1",
            )
        if layout.world > spec.cluster.gpus_per_node:
            return Refusal(
                "GLM308",
                f"`transformers serve` runs on one host, and {layout.world} GPUs are on hosts of {spec.cluster.gpus_per_node}",
            )
        if layout.world < min(spec.cluster.gpus, spec.model.layers):
            return Refusal("GLM318", "`transformers serve` spreads the layers over all GPUs that it sees")
        return super().refuse(spec, layout)

    def kv(self, spec: Spec) -> KVFormat:
        """BF16, indexer keys included."""
        del spec
        return KVFormat(
            "bfloat16",
            "bf16",
            _ROW,
            _INDEX,
            all_layers_indexed=False,
            source="transformers 5.23.0 DynamicCache",
        )

    def default_chunk(self, spec: Spec, layout: Layout) -> int:
        """One step of the planned prompt."""
        del spec, layout
        return PROMPT

    def default_running(self, spec: Spec, layout: Layout, mtp: Mtp) -> int:
        """Requests run one by one."""
        del spec, layout, mtp
        return 1

    def default_fraction(self, spec: Spec, layout: Layout, settings: Settings) -> float:
        """All of the GPU but the headroom: there is no pool, the cache grows."""
        del layout, settings
        return 1 - verdict.FITS_HEADROOM / spec.cluster.gpu.memory_bytes

    def ladder(self, spec: Spec, layout: Layout) -> Sequence[Settings]:
        """There is nothing to turn: no memory option exists."""
        return super().ladder(spec, layout)[:1]

    def needs(self, spec: Spec, layout: Layout, settings: Settings) -> tuple[StageNeed, ...]:
        """Whole layers; a decode step expands the cache of one layer, prefill scores every pair of tokens."""
        model = spec.model
        weights = weigher(model, spec.checkpoint, Shards.tensor(1))
        expanded = settings.context * model.heads * (model.qk_nope + model.qk_rope + model.v_head) * 2
        scores = PROMPT * PROMPT * model.index_heads * 4
        activations = (
            Term("expanded keys and values", expanded, _EXPANDED),
            Term(f"indexer scores of a {PROMPT:,}-token prompt", scores, _SCORES),
        )
        return tuple(
            StageNeed(
                first,
                end,
                weights.stage(first, end, mtp=False, shared_embedding=True),
                before_loading(1),
                (),
                (),
                activations,
                kv_per_token(model, settings.kv, first, end, mtp=False),
            )
            for first, end in layout.stages
        )

    def budget(self, spec: Spec, needs: Sequence[StageNeed], settings: Settings) -> MemoryBudget:
        """The cache may grow into what is left above the headroom, on every GPU by itself."""
        capacity = spec.cluster.gpu.memory_bytes
        limit = int(settings.memory_fraction * capacity)
        stages, tokens = [], []
        for need in needs:
            overhead = need.before_bytes
            room = max(0, limit - need.weights - overhead - need.activation_bytes)
            stages.append(
                StageBudget(
                    need.first_layer,
                    need.end_layer,
                    capacity,
                    need.weights,
                    room,
                    need.activation_bytes,
                    overhead,
                    need.kv_per_token,
                    (*need.before, *need.activations),
                )
            )
            tokens.append(room // need.kv_per_token)
        return MemoryBudget(tuple(stages), min(tokens))


def longest_prompt(plan: Plan) -> int:
    """The longest prompt whose indexer scores fit in what the fullest GPU has left, tokens.

    The KV pool of the plan counts as free but for the context's own rows.
    """
    stage = plan.memory.fullest
    scores = PROMPT * PROMPT * plan.spec.model.index_heads * 4
    free = stage.kv_cache - plan.settings.context * stage.kv_per_token + scores
    return int((max(0, free) / (plan.spec.model.index_heads * 4)) ** 0.5)


def launch(plan: Plan) -> tuple[Process, ...]:
    """One process; on loopback unless the profile exposes it."""
    return tuple(_process(plan, place) for place in plan.ranks)


def _process(plan: Plan, place: Placement) -> Process:
    spec = plan.spec
    return Process(
        role=role(plan, place.rank),
        rank=place.rank,
        placement=place,
        argv=_argv(plan),
        # /v1/models answers 500 when the hub cache folder does not exist (5.23.0); /tmp always does
        env=environment(spec, offline(spec) | ({} if spec.weights.hub else {"HF_HUB_CACHE": "/tmp"})),  # noqa: S108
        secrets=secrets(spec, ""),
        port=spec.port,
        health=Health(path="/health", timeout=10),
    )


def _argv(plan: Plan) -> tuple[Word, ...]:
    spec = plan.spec
    command = Command(spec, ["transformers", "serve", model_word(spec)])
    # never --continuous-batching: its cache manager refuses this architecture's layer types (5.23.0)
    command.add("device", "auto").add("attention", "sdpa")
    host = "0.0.0.0" if spec.expose_unauthenticated else "127.0.0.1"  # noqa: S104  asked for by the profile
    return command.add("host", host).add("port", PORT).finish()
