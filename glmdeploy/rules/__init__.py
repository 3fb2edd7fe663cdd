"""The rules: each judges a plan and its processes, and yields diagnostics. One function, one code.

A function's docstring is its page (`glmdeploy explain CODE`); its first line is the title. Codes that the
layers below emit have their pages in `source_codes`. Codes are never reused.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glmdeploy.rules import (
    arguments,
    cpu,
    engine,
    framework,
    host_codes,
    kubernetes,
    manifest_codes,
    memory,
    placement,
    policy,
    probe_codes,
    site,
    source_codes,
    target,
    weight_codes,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from glmdeploy.diagnostics import Diagnostic
    from glmdeploy.plan import Plan
    from glmdeploy.process import Process

    Check = Callable[["Plan", tuple["Process", ...]], Iterable[Diagnostic]]

RULES: dict[str, Check] = {
    "GLM201": memory.below_floor,
    "GLM202": memory.floor_only,
    "GLM203": memory.context_not_held,
    "GLM204": memory.tight,
    "GLM205": memory.host_memory_unknown,
    "GLM206": memory.accepted_floor_only,
    "GLM207": memory.single_pass_prefill,
    "GLM208": memory.price_of_context,
    "GLM220": cpu.decode_bound,
    "GLM221": cpu.too_many_experts,
    "GLM301": placement.heads,
    "GLM302": placement.blocks,
    "GLM304": placement.pipeline_version,
    "GLM305": placement.stage_starts,
    "GLM306": placement.expert_size,
    "GLM307": placement.too_many_gpus,
    "GLM308": placement.one_host,
    "GLM316": placement.idle_gpus,
    "GLM317": placement.wide_tensor_group,
    "GLM318": placement.unsupported_dimension,
    "GLM332": placement.attention_groups,
    "GLM333": placement.context_parallel,
    "GLM334": placement.unconfirmed_shape,
    "GLM335": placement.not_the_recipe,
    "GLM336": placement.rack_domain,
    "GLM390": placement.less_preferred,
    "GLM309": framework.no_kernels,
    "GLM310": framework.checkpoint_hardware,
    "GLM311": framework.checkpoint_framework,
    "GLM312": framework.unconfirmed_kernels,
    "GLM313": framework.mtp_refused,
    "GLM314": framework.mtp_doubtful,
    "GLM315": framework.kv_cache_dtype,
    "GLM320": engine.nodes_divide,
    "GLM321": engine.stages_and_ranks,
    "GLM322": engine.attention_width,
    "GLM323": engine.expert_widths,
    "GLM324": engine.prefill_page,
    "GLM325": engine.context_parallel,
    "GLM326": engine.speculative_pipeline,
    "GLM327": engine.replicas,
    "GLM328": engine.serving_options,
    "GLM329": engine.context_length,
    "GLM330": engine.vllm_modes,
    "GLM331": engine.engine_values,
    "GLM401": framework.one_served_name,
    "GLM402": framework.thinking_default,
    "GLM403": framework.cpu_layout_assumed,
    "GLM404": framework.revision_not_taken,
    "GLM405": framework.one_at_a_time,
    "GLM406": framework.thinking_is_high,
    "GLM407": framework.tools_with_mtp,
    "GLM410": arguments.unknown_option,
    "GLM411": arguments.other_version,
    "GLM412": arguments.bad_value,
    "GLM413": arguments.set_twice,
    "GLM414": arguments.conflicting,
    "GLM415": arguments.abbreviated,
    "GLM416": arguments.foreign_option,
    "GLM417": arguments.deprecated_option,
    "GLM418": policy.owned_variable,
    "GLM419": arguments.unknown_variable,
    "GLM430": cpu.pools,
    "GLM431": cpu.threads,
    "GLM432": cpu.method,
    "GLM433": cpu.slow_kernels,
    "GLM501": target.image_required,
    "GLM502": target.unauthenticated,
    "GLM503": target.image_to_build,
    "GLM504": target.local_weights,
    "GLM506": target.claim_outside_kubernetes,
    "GLM507": target.key_in_process_list,
    "GLM509": target.ports_collide,
    "GLM510": target.fabric_not_exposed,
    "GLM512": target.one_replica,
    "GLM520": target.slurm_cores,
    "GLM521": target.slurm_image,
    "GLM540": kubernetes.claim_of_one_node,
    "GLM541": kubernetes.transport_lacks,
    "GLM542": kubernetes.load_barrier,
    "GLM543": kubernetes.git_missing,
    "GLM544": kubernetes.device_group,
    "GLM545": kubernetes.image_outside_kubernetes,
    "GLM546": kubernetes.image_volume_version,
    "GLM547": kubernetes.one_channel_a_tray,
    "GLM550": site.pinned_memory,
    "GLM551": site.open_to_namespaces,
    "GLM552": site.tag_or_branch,
    "GLM553": site.ssh_without_secret,
    "GLM554": site.too_little_memory,
    "GLM555": site.class_of_shared_claim,
    "GLM556": site.one_efa,
    "GLM557": site.monitor_shut_out,
    "GLM558": site.less_memory_than_planned,
    "GLM601": policy.secret_in_profile,
    "GLM602": policy.image_without_digest,
}


@dataclass(frozen=True)
class Page:
    """What `explain` shows: the first line is the title."""

    code: str
    title: str
    text: str


def check(plan: Plan, processes: tuple[Process, ...]) -> tuple[Diagnostic, ...]:
    """Run every rule, in the order of the table."""
    return tuple(d for rule in RULES.values() for d in rule(plan, processes))


def pages() -> dict[str, Page]:
    """The page of every code, sorted."""
    texts = {code: inspect.cleandoc(rule.__doc__ or "") for code, rule in RULES.items()}
    texts |= source_codes.PAGES | manifest_codes.PAGES | probe_codes.PAGES
    texts |= host_codes.PAGES | weight_codes.PAGES
    return {code: Page(code, text.partition("\n")[0], text) for code, text in sorted(texts.items())}
