"""What the released frameworks' own parsers say to our command lines, and that we refuse what they refuse.

`python .ci/engines/setup.py DIR` installs them without a GPU, and GLMDEPLOY_ENGINES=DIR shows them to these tests.
Without it every test here is skipped; GLMDEPLOY_REQUIRE_ENGINES="sglang vllm transformers" makes that a failure for
the environments it names. The oldest, the default and the newest release of each framework are asked, and with
GLMDEPLOY_ENGINE_VERSIONS=all every supported one.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
import yaml
from conftest import BUNDLES, ranks
from packaging.version import Version

from glmdeploy import catalog, pipeline
from glmdeploy.commandline import arguments as words_after
from glmdeploy.diagnostics import Level
from glmdeploy.rules import arguments, engine
from glmdeploy.rules.engine_checks import both, sglang, sglang_modes, vllm, vllm_json
from glmdeploy.source import from_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from conftest import Result

    from glmdeploy.models import Checkpoint, Model
    from glmdeploy.rules.engine_checks.values import Values

pytestmark = pytest.mark.engines

SCRIPTS = Path(__file__).parents[1] / ".ci/engines"
# Framework -> package, and the environment that imports it.
ENGINES = {
    "sglang": ("sglang", "sglang"),
    "ktransformers": ("sglang-kt", "sglang"),
    "vllm": ("vllm", "vllm"),
    "transformers": ("transformers", "transformers"),
}
FURTHEST = {"sglang": "configured", "ktransformers": "configured", "transformers": "parsed", "vllm": "configured"}
LEADER = "192.0.2.1"
Question = tuple[tuple[str, ...], tuple[tuple[str, str], ...]]


def versions(framework: str) -> list[str]:
    """The releases to ask; .ci/engines/setup.py installs the same ones."""
    entry = catalog.load().frameworks[framework]
    if os.environ.get("GLMDEPLOY_ENGINE_VERSIONS") == "all":
        return [str(v) for v in entry.tested]
    return [str(v) for v in sorted({min(entry.tested), entry.default, max(entry.tested)})]


RELEASES = [(framework, version) for framework in ENGINES for version in versions(framework)]


def report_missing(framework: str, what: str) -> NoReturn:
    environment = ENGINES[framework][1]
    reason = f"NOT ASKED: {what}: run `python .ci/engines/setup.py DIR` and set GLMDEPLOY_ENGINES=DIR"
    if environment in os.environ.get("GLMDEPLOY_REQUIRE_ENGINES", "").split():
        pytest.fail(reason, pytrace=False)
    # The engines are gigabytes in environments of their own; .ci/run requires those that it installed.
    pytest.skip(reason)


def installed(framework: str, version: str) -> tuple[Path, Path]:
    """The Python and the unpacked release; skips or fails when one is missing."""
    package, environment = ENGINES[framework]
    folder = Path(os.environ.get("GLMDEPLOY_ENGINES") or "/nonexistent").absolute()
    python, wheel = folder / environment / "bin/python", folder / "wheels" / f"{package}-{version}"
    for path in (python, wheel):
        if not path.exists():
            report_missing(framework, f"{framework} {version}")
    return python, wheel


@pytest.fixture(scope="session")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str, Sequence[Question]], list[Any]]:
    """Ask a release about command lines, each with its environment variables."""
    home = tmp_path_factory.mktemp("home")
    for checkpoint in (model := catalog.load().models["glm-5.2"]).checkpoints:
        folder = home / "configs" / checkpoint.repo.rpartition("/")[2]
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps(model_config(model, checkpoint)))

    def asker(framework: str, version: str, questions: Sequence[Question]) -> list[Any]:
        python, wheel = installed(framework, version)
        script = SCRIPTS / f"{ENGINES[framework][1]}_parser.py"
        env = {"PATH": os.defpath, "HOME": str(home), "PYTHONPATH": str(wheel), "PYTHONDONTWRITEBYTECODE": "1"}
        env |= {"GLMDEPLOY_CONFIGS": str(home / "configs"), "VLLM_CACHE_ROOT": str(home / f"vllm-{version}")}
        asked = json.dumps([{"argv": argv, "env": dict(variables)} for argv, variables in questions])
        done = subprocess.run(
            [python, script], input=asked, env=env, cwd=home, capture_output=True, text=True, timeout=1200, check=False
        )
        assert done.returncode == 0, f"{framework} {version} does not answer:\n{done.stderr[-3000:]}"
        return json.loads(done.stdout)

    return asker


_MX = {
    "dtype": "fp4",
    "qscheme": "per_group",
    "group_size": 32,
    "ch_axis": -1,
    "scale_format": "e8m0",
    "symmetric": None,
}


def _unquantised(layer: int) -> list[str]:
    """Everything but routed experts; of the MTP layer, layer 78, everything."""
    of_mlp = [f"{kind}_proj" for kind in ("gate", "up", "down")]
    names = [f"self_attn.{name}_proj" for name in ("q_a", "q_b", "kv_b", "o")] + ["self_attn.kv_a_proj_with_mqa"]
    names += [f"self_attn.indexer.{name}" for name in ("wq_b", "wk", "weights_proj")]
    if layer < 3:
        return names + [f"mlp.{name}" for name in of_mlp]
    names += ["mlp.gate", *(f"mlp.shared_experts.{name}" for name in of_mlp)]
    if layer == 78:
        names += ["eh_proj", "shared_head.head", *(f"mlp.experts.*.{name}" for name in of_mlp)]
    return names


QUANTIZATION: dict[str, Any] = {
    "bf16": None,
    "fp8": {"quant_method": "fp8", "activation_scheme": "dynamic", "fmt": "e4m3", "weight_block_size": [128, 128]},
    "nvfp4": {
        "quant_method": "modelopt",
        "quant_algo": "NVFP4",
        "producer": {"name": "modelopt"},
        "kv_cache_scheme": {"dynamic": False, "num_bits": 8, "type": "float"},
        # as in the checkpoint: only routed experts are quantised, and none of the MTP layer's
        "ignore": [
            *(
                "lm_head",
                "model.embed_tokens",
                "model.layers.0*",
                "model.layers.1.*",
                "model.layers.2.*",
                "model.layers.78*",
            ),
            *(f"model.layers.{i}.{part}*" for i in range(3, 78) for part in ("self_attn", "mlp.shared_experts")),
        ],
    },
    "mxfp4": {
        "quant_method": "quark",
        "global_quant_config": {
            "weight": {**_MX, "is_dynamic": False},
            "input_tensors": {**_MX, "is_dynamic": True},
            "output_tensors": None,
            "bias": None,
        },
        "layer_quant_config": {},
        "layer_type_quant_config": {},
        "export": {"kv_cache_group": [], "pack_method": "reorder"},
        # names of the kind that vLLM 0.33.0 quotes from the checkpoint's own (quantization/quark/utils.py:41-47)
        "exclude": ["lm_head", *(f"model.layers.{i}.{name}" for i in range(79) for name in _unquantised(i))],
    },
    "w4afp8": {"quant_method": "w4afp8"},
}


def model_config(model: Model, checkpoint: Checkpoint) -> dict[str, Any]:
    """A config.json with the catalogue's sizes: what an engine's configuration is computed from."""
    own = [i < model.index_offset or (i - model.index_offset + 1) % model.index_freq == 0 for i in range(model.layers)]
    quantization = QUANTIZATION[checkpoint.id]
    return {
        "architectures": ["GlmMoeDsaForCausalLM"],
        "model_type": "glm_moe_dsa",
        "dtype": "bfloat16",
        "hidden_act": "silu",
        "num_hidden_layers": model.layers,
        "first_k_dense_replace": model.dense_layers,
        "mlp_layer_types": ["dense" if i < model.dense_layers else "sparse" for i in range(model.layers)],
        "indexer_types": ["full" if full else "shared" for full in own],
        "hidden_size": model.hidden,
        "intermediate_size": model.dense_intermediate,
        "moe_layer_freq": 1,
        "moe_intermediate_size": model.expert_intermediate,
        "num_attention_heads": model.heads,
        "num_key_value_heads": model.heads,
        "q_lora_rank": model.q_lora,
        "kv_lora_rank": model.kv_lora,
        "qk_nope_head_dim": model.qk_nope,
        "qk_rope_head_dim": model.qk_rope,
        "qk_head_dim": model.qk_nope + model.qk_rope,
        "head_dim": model.qk_rope,
        "v_head_dim": model.v_head,
        "vocab_size": model.vocab,
        "n_routed_experts": model.experts,
        "n_shared_experts": model.shared_experts,
        "num_experts_per_tok": model.experts_per_token,
        "n_group": 1,
        "topk_group": 1,
        "scoring_func": "sigmoid",
        "topk_method": "noaux_tc",
        "index_n_heads": model.index_heads,
        "index_head_dim": model.index_head,
        "index_topk": model.index_topk,
        "index_topk_freq": model.index_freq,
        "index_skip_topk_offset": model.index_offset,
        "index_share_for_mtp_iteration": True,
        "indexer_rope_interleave": True,
        "num_nextn_predict_layers": model.mtp_layers,
        "max_position_embeddings": model.max_context,
        "rms_norm_eps": 1e-05,
        "norm_topk_prob": True,
        "routed_scaling_factor": 2.5,
        "rope_interleave": True,
        "rope_parameters": {"rope_theta": 8_000_000, "rope_type": "default"},
        "tie_word_embeddings": False,
        **({"quantization_config": quantization} if quantization else {}),
    }


def of_engine(env: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """The variables that the engines read."""
    return tuple(sorted((k, v) for k, v in env.items() if k.startswith(("VLLM_", "SGLANG_"))))


def objections(questions: Sequence[Question], answers: Sequence[Any], furthest: str) -> list[str]:
    """What the parser refused, guessed, or did not come to the end of."""
    return [
        f"{answer['stage']}: {answer['error']}{answer['abbreviated'] or ''}\n    {' '.join(argv)} {dict(env)}"
        for (argv, env), answer in zip(questions, answers, strict=True)
        if not answer["ok"] or answer["abbreviated"] or answer["stage"] != furthest
    ]


def fail_if(found: list[str]) -> None:
    if found:
        shown = "\n".join(found[:10])
        pytest.fail(f"{len(found)} disagreements, such as\n{shown}", pytrace=False)


def script_words(bundle: Path) -> Iterator[Question]:
    """What every script prints, a worker for each of its ranks."""
    for script in sorted(set(bundle.glob("script/*.sh")) - set(bundle.glob("script/download.sh"))):
        ranks = re.findall(r"^(\d+)\)$", script.read_text(), re.MULTILINE) if script.name == "worker.sh" else [""]
        for rank in ranks:
            argv = ["bash", str(script), "--print", *(["--rank", rank] if rank else [])]
            env = {"PATH": os.environ["PATH"], "GLM_LEADER_ADDRESS": LEADER, "GLM_API_KEY": "key"}
            done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
            said = subprocess.run(
                ["bash", "-c", f"printf '%s\\0' {done.stdout}"], capture_output=True, text=True, check=True
            )
            variables = dict(line.removeprefix("with ").split("=", 1) for line in done.stderr.splitlines())
            yield tuple(said.stdout.split("\0")[:-1]), of_engine(variables)


def filled(word: str) -> str:
    """A word with the variables of Compose and Kubernetes replaced."""

    def value(match: re.Match[str]) -> str:
        return "1" if re.search("INDEX|RANK", match[1]) else LEADER

    return re.sub(r"\$\((\w+)\)|(?<!\$)\$\{(\w+)[^}]*\}", lambda m: value(m) if m[1] else LEADER, word).replace(
        "$$", "$"
    )


def compose_words(bundle: Path) -> Iterator[Question]:
    for path in sorted(bundle.glob("compose/**/compose.yaml")):
        for service in ranks(yaml.safe_load(path.read_text())["services"]).values():
            shell = service["entrypoint"][0] == "/bin/sh"  # reads the API key, and starts its arguments
            argv = tuple(filled(word) for word in [*([] if shell else service["entrypoint"]), *service["command"]])
            yield argv, of_engine(service.get("environment", {}))


def containers(node: Any) -> Iterator[Any]:
    """Every container below a manifest's node."""
    if isinstance(node, dict):
        yield from node.get("containers", [])
        node = list(node.values())
    for inner in node if isinstance(node, list) else ():
        yield from containers(inner)


def kubernetes_words(bundle: Path) -> Iterator[Question]:
    for path in sorted(bundle.glob("kubernetes/*.yaml")):
        for container in itertools.chain.from_iterable(map(containers, yaml.safe_load_all(path.read_text()))):
            argv = tuple(filled(word) for word in [*container["command"], *container["args"]])
            if container["name"] not in {"server", "leader", "worker"}:  # those of the download
                continue
            yield argv, of_engine({e["name"]: e["value"] for e in container.get("env", []) if "value" in e})


@pytest.mark.parametrize("framework", ENGINES)
def test_golden_bundles_are_accepted(
    framework: str, ask: Callable[..., list[Any]], record_property: Callable[[str, object], None]
) -> None:
    by_version: dict[str, list[Question]] = {}
    for bundle in sorted(BUNDLES.glob(f"*-{framework}")):
        plan = pipeline.judge(pipeline.open_profile(bundle.name)).plan
        assert plan
        questions = [*script_words(bundle), *compose_words(bundle), *kubernetes_words(bundle)]
        assert len(questions) >= len(plan.spec.targets), f"{bundle.name} holds a command line for each target"
        # a container's mount point does not say which checkpoint is there
        name = plan.spec.checkpoint.repo.rpartition("/")[2]
        questions = [
            (tuple(f"/models/{name}" if word == "/models" else word for word in argv), env) for argv, env in questions
        ]
        by_version.setdefault(str(plan.spec.version), []).extend(questions)
    assert by_version
    found = []
    for version, questions in by_version.items():
        answers = ask(framework, version, questions)
        found += objections(questions, answers, FURTHEST[framework])
        record_property("engines", f"golden bundles, {framework} {version}: {len(questions)} command lines asked")
    fail_if(found)


GPUS = ("8xh100", "10xh100", "16xh100", "8xh200", "16xh200", "8xb200", "8xb300", "4xgb300", "8xmi300x", "8xmi355x")
MORE_GPUS = ("8xh20-141gb", "32xh100")
KT_GPUS = tuple(f"{count}x{gpu}" for gpu in ("h100", "h200", "b200", "l40s") for count in (1, 2, 4))
OPTIONS: tuple[dict[str, Any], ...] = (
    {"serving": {"strategy": "balanced", "served_names": ["glm"], "port": 9000}},
    {"serving": {"strategy": "high-throughput", "mtp": False, "memory_fraction": 0.9}},
    {"serving": {"thinking": "high", "concurrency": 16, "kv_cache_dtype": "bf16"}, "secrets": {"api_key": "key"}},
    {"serving": {"thinking": "off", "context": 65536, "prefill_chunk": 4096}, "model": {"source": {"path": "/m"}}},
    {"serving": {"kv_cache_dtype": "fp8", "concurrency": 64}, "secrets": {"api_key": "key"}},
    {"serving": {"kv_cache_dtype": "bf16", "context": 32768}},
    {"serving": {"strategy": "balanced", "concurrency": 1, "context": 49152}},
    {"serving": {"mtp": False, "port": 8080}},
    {"serving": {"strategy": "high-throughput", "prefill_chunk": 2048, "thinking": "high"}},
    {"serving": {"context": 98304, "served_names": ["org/glm-5.2"]}, "cluster": {"fabric": "tcp"}},
    {"layout": {"pp": 2}, "serving": {"concurrency": 12}},
    {"layout": {"attn_dp": 2}},
    {"layout": {"attn_dp": 8}, "serving": {"context": 40960}},
    {"layout": {"dp": 2}},
    {"layout": {"cp": 4}, "serving": {"context": 65536}},
    {"layout": {"dcp": 4}, "serving": {"context": 65536}},
)


def judged(framework: str, version: str, gpus: str, checkpoint: str, options: dict[str, Any]) -> Iterator[Question]:
    """The command lines of one deployment; none where it is refused."""
    count, _, gpu = gpus.partition("x")
    model = {**options.get("model", {}), "checkpoint": checkpoint}
    if "source" in model:
        repo = next(c.repo for c in catalog.load().models["glm-5.2"].checkpoints if c.id == checkpoint)
        model["source"] = {"path": f"/m/{repo.rpartition('/')[2]}"}
    cluster: dict[str, Any] = {**options.get("cluster", {}), "gpu": gpu, "gpus": int(count)}
    if framework == "ktransformers":
        cluster |= {"host_memory": "4 TiB", "cpu_cores": 96, "numa_nodes": 2}
    document = {
        "apiVersion": "glmdeploy/v1",
        "name": "t",
        **options,
        "model": model,
        "cluster": cluster,
        "framework": {"name": framework, "version": version},
        "targets": ["script"],
    }
    for process in pipeline.judge(from_options(document, {}), for_targets=False).processes:
        yield tuple(process.words(leader=LEADER, api_key="key")), of_engine(dict(process.env))


@cache
def sweep(framework: str, version: str) -> tuple[Question, ...]:
    """What a release gets from us over GPUs, checkpoints and options, every command line once."""
    gpus = (*GPUS, *MORE_GPUS) if framework in {"sglang", "vllm"} else (*GPUS, "8xl40s", "2xb300", "1xh200", *KT_GPUS)
    checkpoints = ("fp8", "bf16", "nvfp4", "mxfp4", "w4afp8") if framework in {"sglang", "vllm"} else ("fp8", "bf16")
    found: dict[Question, None] = {}
    for cell in itertools.product(gpus, checkpoints):
        # where the plain deployment is refused, the others mostly are as well, and take long to say so
        if plain := list(judged(framework, version, *cell, {})):
            found.update(dict.fromkeys(plain))
            found.update(dict.fromkeys(q for options in OPTIONS for q in judged(framework, version, *cell, options)))
    return tuple(found)


@pytest.mark.parametrize(("framework", "version"), RELEASES)
def test_every_rendered_command_line_is_accepted(
    framework: str,
    version: str,
    ask: Callable[..., list[Any]],
    record_property: Callable[[str, object], None],
) -> None:
    installed(framework, version)
    questions = sweep(framework, version)
    assert questions
    answers = ask(framework, version, questions)
    found = objections(questions, answers, FURTHEST[framework])
    configured = sum(answer["stage"] == "configured" for answer in answers)
    record_property("asked", [framework, version, len(questions), len(found), configured])
    fail_if(found)


def test_the_sweep_is_large(record_property: Callable[[str, object], None]) -> None:
    for release in RELEASES:
        installed(*release)
    lines = sum(len(sweep(*release)) for release in RELEASES)
    record_property("engines", f"sweep of {len(RELEASES)} releases: {lines:,} command lines, at least 2,000 wanted")
    assert lines >= 2000


# What the real parsers refuse: framework and the words after its launcher.
WRONG = [
    ("sglang", "--model-path m --no-such-option"),
    ("sglang", "--model-path m --tp-size eight"),
    ("sglang", "--model-path m --tp-size"),
    ("sglang", "--model-path m --mem-fraction-static high"),
    ("sglang", "--model-path m --kv-cache-dtype int3"),
    ("sglang", "--model-path m --max-model-len 4096"),
    ("sglang", "--model-path m --enable-metrics=yes"),
    ("sglang", "--model-path m --tool-call-parser glm99"),
    ("sglang", "--model-path m stray"),
    ("vllm", "zai-org/GLM-5.2-FP8 --no-such-option"),
    ("vllm", "zai-org/GLM-5.2-FP8 --tensor-parallel-size eight"),
    ("vllm", "zai-org/GLM-5.2-FP8 --tensor-parallel-size 7"),
    ("vllm", "zai-org/GLM-5.2-FP8 --kv-cache-dtype int3"),
    ("vllm", "zai-org/GLM-5.2-FP8 --context-length 4096"),
    ("vllm", "zai-org/GLM-5.2-FP8 --gpu-memory-utilization high"),
    ("vllm", "zai-org/GLM-5.2-FP8 --speculative-config {"),
    ("vllm", "zai-org/GLM-5.2-FP8 --max-model-len 2000000"),
    ("vllm", "zai-org/GLM-5.2-FP8 --enable-auto-tool-choice --tool-call-parser glm74"),
    ("vllm", "zai-org/GLM-5.2-FP8 --reasoning-parser glm54"),
    ("transformers", "m --no-such-option"),
    ("transformers", "m --port http"),
    ("transformers", "m --tp-size 8"),
    ("transformers", "m stray"),
    ("transformers", "m --reasoning maybe"),
]


@pytest.mark.parametrize("framework", ["sglang", "vllm", "transformers"])
def test_what_the_parser_refuses_is_refused_here_too(
    framework: str, ask: Callable[..., list[Any]], run: Callable[..., Result], tmp_path: Path
) -> None:
    version = max(catalog.load().frameworks[framework].tested)
    launcher = "python3 -m sglang.launch_server" if framework == "sglang" else f"{framework} serve"
    lines = [f"{launcher} {words}" for name, words in WRONG if name == framework]
    answers = ask(framework, str(version), [(tuple(line.split()), ()) for line in lines])
    found = [f"the parser takes: {line}" for line, answer in zip(lines, answers, strict=True) if answer["ok"]]
    for index, line in enumerate(lines):
        path = tmp_path / f"{index}.json"
        path.write_text(json.dumps(line.split()))
        if run("lint", "--framework", framework, "--framework-version", str(version), "--argv", str(path)).code != 1:
            found.append(f"glmdeploy takes: {line}")
    fail_if(found)


FP8, BF16 = "zai-org/GLM-5.2-FP8", "zai-org/GLM-5.2"  # checkpoints that the parser scripts can configure


def launched(framework: str, model: str, *words: str) -> tuple[str, ...]:
    """A command line."""
    head = "python3 -m sglang.launch_server --model-path" if framework == "sglang" else f"{framework} serve"
    return (*head.split(), model, *words)


def refusals(framework: str, version: str, argv: Sequence[str]) -> Iterator[tuple[str, engine.EngineRule | None]]:
    """What glmdeploy refuses of it: the code and, where it is one of the engine's, the rule."""
    entry = catalog.load().frameworks[framework]
    line = arguments.parse(entry, Version(version), words_after(argv, entry.launch))
    for finding in arguments.judge(entry, Version(version), line):
        if finding.level is Level.ERROR:
            yield finding.code, None
    for broken in engine.judge(entry, Version(version), line):
        yield broken.rule.code, broken.rule


@dataclass(frozen=True)
class Pair:
    """Words that one rule refuses, and neighbours that no rule does."""

    framework: str
    check: Callable[[Values], str]
    bad: str
    good: str
    version: str = ""  # of the newest release otherwise
    model: str = FP8
    also: tuple[str, ...] = ()  # further words that the rule refuses

    @property
    def asked(self) -> str:
        """The release that is asked."""
        return self.version or str(max(catalog.load().frameworks[self.framework].tested))

    @property
    def questions(self) -> tuple[tuple[str, ...], ...]:
        """The command lines: the good one, then the bad ones."""
        words = (self.good, self.bad, *self.also)
        return tuple(launched(self.framework, self.model, *line.split()) for line in words)


# One for every rule of `engine.ENGINE_RULES`, in its order.
PAIRS = (
    Pair("sglang", both.nodes_divide, "--tp-size 8 --nnodes 3", "--tp-size 8 --nnodes 2"),
    Pair("vllm", both.nodes_divide, "-tp 16 --nnodes 3", "-tp 16 --nnodes 2"),
    Pair(
        "sglang", sglang.rank_in_range, "--tp-size 8 --nnodes 2 --node-rank 2", "--tp-size 8 --nnodes 2 --node-rank 1"
    ),
    Pair("vllm", vllm.rank_in_range, "-tp 16 --nnodes 2 --node-rank 2", "-tp 16 --nnodes 2 --node-rank 1"),
    Pair(
        "sglang",
        sglang.stages_and_ranks,
        "--tp-size 2 --pp-size 5 --nnodes 2",
        "--tp-size 2 --pp-size 4 --nnodes 2",
    ),
    Pair("sglang", sglang.attention_groups, "--tp-size 8 --attn-dp-size 3", "--tp-size 8 --attn-dp-size 4"),
    Pair("sglang", sglang.heads, "--tp-size 3", "--tp-size 4", model=BF16),
    Pair("vllm", vllm.heads, "-tp 10", "-tp 8", model=BF16),
    Pair(
        "sglang",
        sglang.expert_groups,
        "--tp-size 8 --ep-size 4 --moe-runner-backend flashinfer_cutlass",
        "--tp-size 8 --ep-size 8 --moe-runner-backend flashinfer_cutlass",
    ),
    Pair("sglang", sglang.expert_product, "--tp-size 8 --ep-size 3", "--tp-size 8 --ep-size 4"),
    Pair("sglang", sglang.experts, "--tp-size 8 --ep-size 8 --ep-num-redundant-experts 3", "--tp-size 8 --ep-size 8"),
    Pair("sglang", sglang.dense, "--tp-size 8 --moe-dense-tp-size 2", "--tp-size 8 --moe-dense-tp-size 1"),
    Pair("vllm", vllm.blocks, "-tp 32", "-tp 16"),
    Pair("sglang", sglang.page, "--chunked-prefill-size 1000", "--chunked-prefill-size 1024"),
    Pair(
        "sglang",
        sglang.context_parallel,
        "--tp-size 8 --enable-prefill-cp --attn-cp-size 8",
        "--tp-size 8 --enable-prefill-cp --attn-cp-size 8 --cp-strategy interleave",
    ),
    Pair("sglang", sglang.dcp_divides, "--tp-size 8 --dcp-size 3", "--tp-size 8 --dcp-size 2"),
    Pair("vllm", vllm.dcp_divides, "-tp 8 --decode-context-parallel-size 3", "-tp 8 --decode-context-parallel-size 2"),
    Pair(
        "sglang",
        sglang.speculative_pipeline,
        "--tp-size 8 --pp-size 2 --speculative-algorithm EAGLE",
        "--tp-size 8 --pp-size 1 --speculative-algorithm EAGLE",
    ),
    Pair(
        "vllm",
        vllm.speculative_pipeline,
        '-tp 8 -pp 2 --speculative-config {"method":"mtp","num_speculative_tokens":3}',
        '-tp 8 -pp 1 --speculative-config {"method":"mtp","num_speculative_tokens":3}',
        version="0.23.0",
    ),
    Pair(
        "sglang",
        sglang.replicas,
        "--tp-size 2 --nnodes 2 --dp-size 2",
        "--tp-size 2 --dp-size 2",
        also=("--attn-dp-size 2 --enable-dp-attention --dp-size 2 --tp-size 8",),
    ),
    Pair("sglang", sglang.served_name, "--served-model-name glm:5", "--served-model-name glm-5"),
    Pair("sglang", sglang.keys_and_workers, "--api-key k --tokenizer-worker-num 2", "--api-key k"),
    Pair(
        "sglang", sglang.tls, "--ssl-keyfile /etc/hostname", "--ssl-keyfile /etc/hostname --ssl-certfile /etc/hostname"
    ),
    Pair("sglang", both.context, "--context-length 2000000", "--context-length 1048576"),
    Pair("vllm", both.context, "--max-model-len 1048577", "--max-model-len 1048576"),
    Pair(
        "vllm",
        vllm.ray,
        "-tp 2 --nnodes 2 --distributed-executor-backend ray",
        "-tp 2 --nnodes 2 --distributed-executor-backend mp",
    ),
    Pair("vllm", vllm.headless, "--headless --api-server-count 2", "--headless"),
    Pair(
        "vllm",
        vllm.load_balancers,
        "-dp 2 --data-parallel-size-local 1 --data-parallel-hybrid-lb --data-parallel-external-lb",
        "-dp 2 --data-parallel-size-local 1 --data-parallel-hybrid-lb --data-parallel-address 127.0.0.1",
    ),
    Pair(
        "vllm",
        vllm.tool_parser,
        "--enable-auto-tool-choice",
        "--enable-auto-tool-choice --tool-call-parser glm47",
    ),
    Pair("sglang", sglang.minimums, "--base-gpu-id -1", "--base-gpu-id 0"),
    Pair("sglang", sglang.divisors, "--tp-size 8 --nnodes 0", "--tp-size 8 --nnodes 1"),
    Pair("sglang", sglang.sizes, "--tp-size 0", "--tp-size 1"),
    Pair("vllm", vllm.minimums, "-tp -1", "-tp 1"),
    Pair("vllm", vllm.kv_dtype, "--kv-cache-dtype int3", "--kv-cache-dtype fp8"),
    Pair("vllm", vllm.ranges, "--max-num-seqs 1024 --max-num-batched-tokens 512", "--max-num-seqs 64"),
    Pair(
        "vllm",
        vllm_json.speculative,
        '--speculative-config {"num_speculative_tokens":3}',
        '--speculative-config {"method":"mtp","num_speculative_tokens":3}',
        also=(
            '--speculative-config {"method":"mtp"}',
            '--speculative-config {"method":"ngram"}',
            '--speculative-config {"method":"eagle","num_speculative_tokens":3}',
            '--speculative-config {"method":"foo","num_speculative_tokens":3}',
            '--speculative-config {"method":"mtp","num_speculative_tokens":0}',
            '--speculative-config {"method":"mtp","num_speculative_tokens":3,"foo":1}',
            "--speculative-config 3",
            "--speculative-config.method mtp",
        ),
    ),
    Pair(
        "vllm",
        vllm_json.kv_transfer,
        '--kv-transfer-config {"kv_connector":"NixlConnector"}',
        '--kv-transfer-config {"kv_connector":"NixlConnector","kv_role":"kv_both"}',
        also=(
            '--kv-transfer-config {"kv_connector":"NixlConnector","kv_role":"foo"}',
            '--kv-transfer-config {"kv_connector":"NixlConnector","kv_role":"kv_both","foo":1}',
        ),
    ),
    Pair(
        "vllm",
        vllm_json.compilation,
        '--compilation-config {"cudagraph_mode":"foo"}',
        '--compilation-config {"cudagraph_mode":"full"}',
        also=("--compilation-config 3", '--compilation-config {"foo":1}', "--compilation-config.foo 1"),
    ),
    Pair(
        "vllm",
        vllm_json.attention,
        "--attention-backend FOO",
        "--attention-backend flashmla_sparse",
        also=("--attention-config.foo 1", "--attention-config.backend FOO"),
    ),
    Pair(
        "vllm",
        vllm.backends,
        "--distributed-executor-backend foo",
        "--distributed-executor-backend mp --data-parallel-backend mp --quantization fp8",
        also=("--data-parallel-backend foo", "--quantization foo"),
    ),
    Pair("vllm", vllm.offload, "--cpu-offload-gb -1", "--cpu-offload-gb 1"),
    Pair("vllm", vllm.logprobs, "--max-logprobs -2", "--max-logprobs -1"),
    Pair(
        "vllm",
        vllm.microbatches,
        "--enable-dbo",
        "--enable-dbo --all2all-backend deepep_low_latency",
        version="0.31.0",
        also=("--ubatch-size 2",),
    ),
    Pair("vllm", vllm.data_parallel_rank, "--data-parallel-rank 5 -dp 2", "--data-parallel-rank 1 -dp 2"),
    Pair(
        "vllm",
        vllm.whole_prompts,
        "--no-enable-chunked-prefill --max-num-batched-tokens 2048",
        "--no-enable-chunked-prefill --max-num-batched-tokens 2048 --max-model-len 2048",
    ),
    Pair(
        "sglang",
        sglang_modes.speculative_numbers,
        "--speculative-algorithm EAGLE --speculative-num-steps 3",
        "--speculative-algorithm EAGLE --speculative-num-steps 3 --speculative-eagle-topk 1",
        also=(
            "--speculative-algorithm NEXTN --speculative-num-steps 3 --speculative-num-draft-tokens 4",
            "--speculative-algorithm EAGLE --speculative-eagle-topk 1",
            "--speculative-algorithm EAGLE --speculative-num-draft-tokens 4",
        ),
    ),
    Pair(
        "sglang",
        sglang_modes.caches,
        "--disable-radix-cache --enable-hierarchical-cache",
        "--enable-hierarchical-cache",
    ),
    Pair("sglang", sglang_modes.balance, "--tp-size 8 --enable-eplb", "--tp-size 8 --enable-eplb --ep-size 8"),
    Pair(
        "sglang",
        sglang_modes.adapters,
        "--enable-lora --max-lora-rank 16",
        "--enable-lora --max-lora-rank 16 --lora-target-modules all",
        also=("--enable-lora", "--enable-lora --lora-target-modules all"),
    ),
    Pair("sglang", sglang_modes.speculative_name, "--speculative-algorithm FOO", "--speculative-algorithm eagle"),
    Pair(
        "sglang",
        sglang_modes.window_share,
        "--swa-full-tokens-ratio 2",
        "--swa-full-tokens-ratio 1",
        also=("--swa-full-tokens-ratio 0",),
    ),
    Pair(
        "sglang",
        sglang_modes.overrides,
        "--json-model-override-args {bad",
        "--json-model-override-args {}",
        also=("--json-model-override-args 3",),
    ),
    Pair(
        "sglang",
        sglang_modes.quantization,
        "--quantization w4afp8",
        "--quantization fp8",
        also=("--quantization awq", "--quantization modelopt"),
    ),
)


def test_every_engine_rule_has_a_pair() -> None:
    assert [(p.framework, p.check) for p in PAIRS] == [(r.framework, r.check) for r in engine.ENGINE_RULES]
    for pair, rule in zip(PAIRS, engine.ENGINE_RULES, strict=True):
        good, *wrong = pair.questions
        for bad in wrong:
            assert rule in [found for _, found in refusals(pair.framework, pair.asked, bad)], bad
        assert not list(refusals(pair.framework, pair.asked, good)), pair.good


@pytest.mark.parametrize("framework", ["sglang", "vllm"])
def test_the_engine_says_when_it_checks_each_rule(
    framework: str, ask: Callable[..., list[Any]], record_property: Callable[[str, object], None]
) -> None:
    pairs = [(p, r) for p, r in zip(PAIRS, engine.ENGINE_RULES, strict=True) if p.framework == framework]
    found: list[str] = []
    counted = {"config": 0, "build": 0}
    for version in sorted({pair.asked for pair, _ in pairs}):
        asked = [(pair, rule) for pair, rule in pairs if pair.asked == version]
        questions = [(words, ()) for pair, _ in asked for words in pair.questions]
        answers = iter(ask(framework, version, questions))
        for pair, rule in asked:
            good, *wrong = [next(answers) for _ in pair.questions]
            before = len(found)
            for words, bad in zip((pair.bad, *pair.also), wrong, strict=True):
                takes = "takes" if bad["ok"] else f"refuses while it reads its arguments ({bad['error'][-200:]})"
                if bad["ok"] != (rule.when == "build"):
                    found.append(f"{framework} {version} {takes}: {words} ({pair.check.__name__} says {rule.when})")
            if not good["ok"]:
                found.append(f"{framework} {version} refuses: {pair.good} ({good['error'][-200:]})")
            counted[rule.when] += before == len(found)
    record_property("rules", list(counted.values()))
    fail_if(found)


@pytest.mark.parametrize("framework", ["sglang", "vllm"])
def test_rules_of_the_model_are_cited_with_file_and_line(framework: str) -> None:
    found = []
    for rule in engine.ENGINE_RULES:
        if (rule.framework, rule.when) != (framework, "build"):
            continue
        package, version = rule.source.split()[:2]
        _, wheel = installed(framework, version)
        root = wheel / package / ("srt" if framework == "sglang" else "")
        cited = re.findall(r"([\w/]+\.py):(\d+)", rule.source)
        lines = [(root / name, int(line)) for name, line in cited]
        if not lines or not all(path.is_file() and line <= path.read_text().count("\n") for path, line in lines):
            found.append(f"{rule.check.__name__}: {rule.source}")
    fail_if(found)


# What stands for a value of each kind: one that the parser does not take, and one that it does.
ODD = {"float": "high", "json": "{", "str": ""}
RIGHT = {"float": "0.5", "json": "{}", "str": "word"}
# They end the parser, or read a file.
NOT_WORDS = {"--help", "--version", "--config"}


def odd_words(framework: str, version: str) -> Iterator[tuple[str, ...]]:
    """For every option of a release: misspelt, as a switch, without a value, with wrong and with right ones."""
    for option in dict.fromkeys(catalog.options(framework).at(Version(version)).values()):
        name = option.name
        if name in NOT_WORDS:
            continue
        yield from ((f"{name}-x",), (f"--x-{name.lstrip('-')}", "1"), (name,))
        if option.negative:
            yield (option.negative,)
        if not option.takes_value:
            yield (f"{name}=yes",)
            continue
        if option.choices:
            values = ["no-such-choice", *option.choices]
        elif option.kind.startswith("int"):
            values = ["eight", "1.5", "1k", "1K", "1Ki", "8", "0", "-1"]
        else:
            values = [value for value in (ODD[option.kind], RIGHT[option.kind]) if value]
        count = int(option.values) if option.values.isdigit() else 1
        yield from ((name, *[value] * count) for value in values)


# Twice the same option: the parser takes it and the last one counts, which we call an error.
OURS_ALONE = {"GLM414"}


@pytest.mark.parametrize("framework", ["sglang", "vllm"])
def test_odd_words_get_the_parsers_own_verdict(
    framework: str, ask: Callable[..., list[Any]], record_property: Callable[[str, object], None]
) -> None:
    version = str(max(catalog.load().frameworks[framework].tested))
    # no configuration is at hand for this model: only the parser is asked
    questions = [(launched(framework, "m", *words), ()) for words in odd_words(framework, version)]
    answers, found = ask(framework, version, questions), []
    refused = 0
    for (argv, _), answer in zip(questions, answers, strict=True):
        theirs = answer["stage"] in {"parser", "names of parsers"}
        codes = [code for code, rule in refusals(framework, version, argv) if not rule and code not in OURS_ALONE]
        if theirs != bool(codes):
            taker = "glmdeploy" if theirs else "the parser"
            found.append(f"{taker} takes: {' '.join(argv)} ({codes or answer['error'][-200:]})")
        refused += theirs
    record_property(
        "engines", f"odd words, {framework} {version}: {len(questions):,} asked, {refused:,} refused by the parser"
    )
    fail_if(found)


SIZES = {
    "sglang": {
        *("--tp-size", "--pp-size", "--ep-size", "--dp-size", "--attn-dp-size", "--attn-cp-size", "--moe-dp-size"),
        *("--dcp-size", "--moe-dense-tp-size", "--nnodes"),
    },
    "vllm": {
        *("--tensor-parallel-size", "--pipeline-parallel-size", "--data-parallel-size", "--nnodes"),
        *("--prefill-context-parallel-size", "--decode-context-parallel-size"),
        *("--max-num-seqs", "--max-num-batched-tokens"),
    },
}


# Beside any value of these another option must stand.
NEEDY = {
    "sglang": {
        *("--elastic-ep-initial-size", "--elastic-ep-join-rank-offset"),
        *("--return-aux-hidden-state-layer-ids", "--speculative-draft-sink-size"),
    },
    "vllm": {"--data-parallel-rank", "--grpc-port", "--numa-bind-nodes"},
}


@pytest.mark.parametrize("framework", ["sglang", "vllm"])
def test_odd_words_get_the_configurations_own_verdict(
    framework: str, ask: Callable[..., list[Any]], record_property: Callable[[str, object], None]
) -> None:
    """What our rules of the configuration refuse of them it refuses, and we refuse its sizes and numbers below their minimum."""
    version = str(max(catalog.load().frameworks[framework].tested))
    asked: dict[Question, list[str]] = {}
    for words in odd_words(framework, version):
        argv = launched(framework, FP8, *words)
        said = list(refusals(framework, version, argv))
        ours = [code for code, rule in said if rule and rule.when == "config"]
        small = words[-1] in {"0", "-1"} and words[0] not in NEEDY[framework]
        if all(rule and rule.when == "config" for _, rule in said) and (ours or small or words[0] in SIZES[framework]):
            asked[argv, ()] = ours
    answers, found = ask(framework, version, list(asked)), []
    for ((argv, _), ours), answer in zip(asked.items(), answers, strict=True):
        if answer["ok"] == bool(ours):
            taker = "the engine" if ours else "glmdeploy"
            found.append(f"{taker} takes: {' '.join(argv[-2:])} ({ours or answer['error'][-200:]})")
    refused = sum(not answer["ok"] for answer in answers)
    record_property(
        "engines", f"odd sizes, {framework} {version}: {len(answers)} asked, {refused} refused by its configuration"
    )
    fail_if(found)
