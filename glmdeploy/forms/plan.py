"""What `plan --format json` prints."""

from __future__ import annotations

from typing import Annotated, Literal

from typing_extensions import TypedDict

from glmdeploy.forms import EmptyForm, doc
from glmdeploy.forms.diagnostic import DiagnosticForm

VERDICTS = ("fits", "tight", "floor-only", "below-floor", "refused")


class ModelForm(TypedDict):
    """What is served."""

    name: Annotated[str, doc("The model's name.", "GLM-5.2")]
    parameters: Annotated[int, doc("Parameters in all.", 753329921024)]
    checkpoint: Annotated[str, doc("Catalogue id of the weights.", "fp8")]
    repo: Annotated[str, doc("Repository of the weights on the hub.", "zai-org/GLM-5.2-FP8")]
    checkpoint_bytes: Annotated[int, doc("Size of the weights, bytes.", 755617140416)]


class FrameworkForm(TypedDict):
    """What serves it."""

    name: Annotated[str, doc("The framework's id.", "sglang")]
    version: Annotated[str, doc("The framework's release.", "0.5.21")]


class ClusterForm(TypedDict):
    """What it is served on."""

    gpu: Annotated[str, doc("The GPU's id in the catalogue.", "h100-sxm-80gb")]
    gpus: Annotated[int, doc("GPUs in all.", 10)]
    gpus_per_node: Annotated[int, doc("GPUs of one host.", 8)]
    gpu_memory_bytes: Annotated[int, doc("Memory of one GPU as its driver reports it, bytes.", 85520809984)]


class LayoutForm(TypedDict):
    """Sizes of the parallel dimensions; 1 is none."""

    nodes: Annotated[int, doc("Ranks of one replica: processes that start together.", 5)]
    gpus_per_node: Annotated[int, doc("GPUs of one rank.", 2)]
    hosts: Annotated[int, doc("Hosts that the ranks are on.", 2)]
    tp: Annotated[int, doc("Tensor parallel size.", 2)]
    pp: Annotated[int, doc("Pipeline stages.", 5)]
    ep: Annotated[int, doc("Expert parallel size.", 1)]
    dp: Annotated[int, doc("vLLM: data-parallel ranks.", 1)]
    attn_dp: Annotated[int, doc("SGLang: attention data parallel groups.", 1)]
    cp: Annotated[int, doc("SGLang: prefill context parallel size.", 1)]
    dcp: Annotated[int, doc("Decode context parallel size.", 1)]
    replicas: Annotated[int, doc("Whole deployments beside each other.", 1)]
    a2a: Annotated[str, doc("The experts' all-to-all backend; empty for none.", "", "deepep")]
    spare: Annotated[int, doc("Redundant experts that make them divisible.", 0)]
    dense_tp: Annotated[int, doc("Tensor parallel size of the dense layers; 0 for that of the others.", 0)]
    pp_partition: Annotated[list[int], doc("Layers of each pipeline stage.", [18, 15, 15, 15, 15])]


class PlacementForm(TypedDict):
    """Where one rank runs."""

    replica: Annotated[int, doc("The replica, from 0.", 0)]
    rank: Annotated[int, doc("The rank inside the replica, from 0.", 4)]
    host: Annotated[int, doc("The host, from 0.", 1)]
    gpu_ids: Annotated[list[int], doc("The rank's GPUs on that host.", [0, 1])]


class SettingsForm(TypedDict):
    """What the planner settled."""

    context: Annotated[int, doc("Longest request, prompt and output, tokens.", 110592)]
    memory_fraction: Annotated[float, doc("Value of the framework's memory option.", 0.95)]
    prefill_chunk: Annotated[int, doc("Tokens of one prefill step.", 2048)]
    max_running: Annotated[int, doc("Most requests that run at a time.", 32)]
    whole_contexts: Annotated[int, doc("Requests of the whole context that the pool holds at a time.", 1)]
    kv_cache_dtype: Annotated[str, doc("Element type of the KV cache.", "bf16")]
    gave_way: Annotated[list[str], doc("What is not as comfortable as by default.", ["prefill chunk 2,048"])]
    startup_seconds: Annotated[int, doc("Time that loading takes, seconds.", 378)]


class OriginForm(TypedDict):
    """Where one setting comes from."""

    setting: Annotated[str, doc("The setting, in words.", "memory fraction")]
    value: Annotated[str, doc("Its value, as people write it.", "0.95")]
    by: Annotated[str, doc("Who decided.", "planner", "asked for")]
    why: Annotated[str, doc("Where it was asked for, or why.", "--gpus 10xH100")]


class BytesForm(TypedDict):
    """The parts of one GPU, exact bytes."""

    capacity: Annotated[int, doc("The GPU's memory, bytes.", 85520809984)]
    budget: Annotated[int, doc("What may be used of it, bytes.", 81376702478)]
    weights: Annotated[int, doc("Weights, bytes.", 75810412416)]
    kv_cache: Annotated[int, doc("The pool of the KV cache, bytes.", 2402546366)]
    activations: Annotated[int, doc("Activations and work buffers, bytes.", 1202590842)]
    overhead: Annotated[int, doc("CUDA context, NCCL, graphs and what else the framework takes, bytes.", 3231964659)]
    headroom: Annotated[int, doc("What stays free, bytes; negative where the budget exceeds the GPU.", 4144507126)]


class TermForm(TypedDict):
    """One part of what a stage needs."""

    name: Annotated[str, doc("The part, in words.", "CUDA graphs")]
    bytes: Annotated[int, doc("Its size, bytes.", 532676608)]
    source: Annotated[str, doc("Where the figure comes from.", "sglang 0.5.23 mem_cache/kv_cache_configurator.py")]


class LineForm(TypedDict):
    """One figure of a sum."""

    label: Annotated[str, doc("What is counted.", "routed experts")]
    value: Annotated[int, doc("The figure, in `unit`.", 72477573120)]
    unit: Annotated[str, doc("Unit of `value`.", "B", values=("B", "B/token", "tokens"))]
    source: Annotated[str, doc("Where the figure comes from.", "tensor shapes of config.json")]


class SectionForm(TypedDict):
    """A sum, line by line."""

    title: Annotated[str, doc("What is summed.", "weights")]
    summed: Annotated[bool, doc("Whether the lines add up to the total; else they are steps that lead to it.")]
    lines: Annotated[list[LineForm], doc("The figures.")]
    total: Annotated[LineForm, doc("What they come to.")]


class GroupForm(TypedDict):
    """Pipeline stages with the same bytes in every part."""

    stages: Annotated[list[int], doc("The stages, from 0.", [1, 2, 3, 4])]
    fullest: Annotated[bool, doc("Whether these limit the others.")]
    arithmetic: Annotated[list[SectionForm], doc("The sums of one GPU of these stages.")]


class SizesForm(TypedDict):
    """The parts of one GPU in GiB, rounded to four decimals."""

    budget_gib: Annotated[float, doc("What may be used, GiB.", 75.7879)]
    weights_gib: Annotated[float, doc("Weights, GiB.", 70.604)]
    kv_cache_gib: Annotated[float, doc("The pool of the KV cache, GiB.", 2.2375)]
    activations_gib: Annotated[float, doc("Activations and work buffers, GiB.", 1.12)]
    overhead_gib: Annotated[float, doc("What the framework takes beside them, GiB.", 3.01)]
    headroom_gib: Annotated[float, doc("What stays free, GiB.", 3.8599)]


class StageForm(SizesForm):
    """One GPU of a pipeline stage."""

    layers: Annotated[list[int], doc("First and last layer.", [0, 17])]
    bytes: Annotated[BytesForm, doc("The parts, exact.")]
    kv_bytes_per_token: Annotated[int, doc("KV cache of one token on one GPU, bytes.", 21528)]
    terms: Annotated[list[TermForm], doc("What weights, overhead and activations are made of.")]


class MemoryForm(SizesForm):
    """Memory of the fullest GPU, and of one GPU of every stage."""

    capacity_gib: Annotated[float, doc("Memory of the fullest GPU, GiB.", 79.6475)]
    bytes: Annotated[BytesForm, doc("The parts of the fullest GPU, exact.")]
    kv_bytes_per_token: Annotated[int, doc("KV cache of one token on the fullest GPU, bytes.", 21528)]
    kv_tokens: Annotated[int, doc("Tokens that one pool holds.", 111552)]
    pools: Annotated[int, doc("Pools that requests are spread over.", 1)]
    kv_tokens_in_all: Annotated[int, doc("Tokens that all pools hold.", 111552)]
    max_context: Annotated[int, doc("Longest context with this layout, tokens.", 111552)]
    stages: Annotated[list[StageForm], doc("One entry a pipeline stage, in order.")]
    groups: Annotated[list[GroupForm], doc("The same stages, those that are equal together, with their sums.")]


class MtpForm(TypedDict):
    """Multi-token prediction."""

    enabled: Annotated[bool, doc("Whether it is on.")]
    draft_tokens: Annotated[int, doc("Tokens that are drafted a step.", 3)]
    reason: Annotated[str, doc("Why it is on or off.", "SGLang refuses speculative decoding with 5 pipeline stages")]


class RejectedForm(TypedDict):
    """A layout that was passed over."""

    layout: Annotated[str, doc("The layout.", "TP8 x PP1")]
    code: Annotated[str, doc("Code of the reason.", "GLM203", pattern="^GLM[0-9]{3}$")]
    reason: Annotated[str, doc("The reason, in words.", "holds 753,428 tokens, and 1,048,576 tokens are wanted")]


class ProcessForm(TypedDict):
    """What one rank starts."""

    role: Annotated[str, doc("The rank's part in its replica.", "leader", "worker")]
    node_rank: Annotated[int, doc("The rank, from 0.", 0)]
    host: Annotated[int, doc("The host, from 0.", 0)]
    argv: Annotated[
        list[str],
        doc("The command line; `<leader-address>` and `<GLMDEPLOY_API_KEY>` are filled in later.", ["vllm", "serve"]),
    ]
    env: Annotated[dict[str, str], doc("Environment variables.", {"NCCL_CUMEM_ENABLE": "1"})]
    gpus: Annotated[int, doc("How many GPUs the rank has.", 2)]
    gpu_ids: Annotated[list[int], doc("The rank's GPUs on its host.", [0, 1])]


class PlanForm(TypedDict):
    """What `glmdeploy plan --format json` prints, whatever the verdict."""

    format: Annotated[Literal["glmdeploy-plan/v1"], doc("Name and version of this form.")]
    name: Annotated[str, doc("Name of the deployment.", "glm-5.2-fp8-10xh100-sglang")]
    verdict: Annotated[str, doc("Whether and how it fits.", "tight", values=VERDICTS)]
    sentence: Annotated[str, doc("The answer, in a sentence.", "Tight: 10xH100 with SGLang serves GLM-5.2 `fp8`")]
    model: Annotated[ModelForm | EmptyForm, doc("What is served.")]
    framework: Annotated[FrameworkForm | EmptyForm, doc("What serves it.")]
    cluster: Annotated[ClusterForm | EmptyForm, doc("What it is served on.")]
    layout: Annotated[LayoutForm | EmptyForm, doc("Sizes of the parallel dimensions.")]
    placement: Annotated[list[PlacementForm], doc("Where each rank runs.")]
    settings: Annotated[SettingsForm | EmptyForm, doc("What the planner settled; empty without a layout.")]
    origins: Annotated[list[OriginForm], doc("Where each setting comes from, in the order of a profile.")]
    memory: Annotated[MemoryForm | EmptyForm, doc("What the GPUs' memory holds; empty without a layout.")]
    mtp: Annotated[MtpForm | EmptyForm, doc("Multi-token prediction.")]
    rejected: Annotated[list[RejectedForm], doc("Layouts that were passed over.")]
    processes: Annotated[list[ProcessForm], doc("What the ranks start; none where anything is an error.")]
    diagnostics: Annotated[list[DiagnosticForm], doc("What the rules say.")]
