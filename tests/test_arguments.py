"""Command lines against the option tables of the released parsers: what we render passes, what is wrong is named."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import plan_for
from packaging.version import Version

from glmdeploy import catalog, pipeline, resources, source
from glmdeploy.commandline import arguments as words_after
from glmdeploy.diagnostics import Level
from glmdeploy.frameworks import LAUNCH
from glmdeploy.rules import arguments, engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Result

FACTS = Path(__file__).resolve().parents[2] / "shared/facts"
FRAMEWORKS = ["sglang", "vllm", "transformers", "ktransformers"]


def _errors(framework: str, version: str, argv: list[str]) -> list[str]:
    entry = catalog.load().frameworks[framework]
    line = arguments.parse(entry, Version(version), words_after(argv, entry.launch))
    found = [f"{f.code} {f.message}" for f in arguments.judge(entry, Version(version), line) if f.level is Level.ERROR]
    return found + [f"{b.rule.code} {b.why}" for b in engine.judge(entry, Version(version), line)]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_tested_version_was_read_from_its_wheel(framework: str) -> None:
    table = catalog.options(framework)
    assert list(table.versions) == sorted(table.versions)
    assert set(catalog.load().frameworks[framework].tested) == set(table.versions)
    assert all(
        len(r.sha256) == 64 and r.method in {"ast", "parser"} and r.read.startswith("2026-") for r in table.releases
    )


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_flag_of_the_catalogue_is_known_where_it_says(framework: str) -> None:
    entry, table = catalog.load().frameworks[framework], catalog.options(framework)
    for flag, version in itertools.product(entry.flags, entry.tested):
        assert not flag.known(version) or flag.option in table.at(version), f"{flag.option} in {version}"


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_successor_is_known_and_its_predecessor_gone(framework: str) -> None:
    table = catalog.options(framework)
    newest = table.at(table.versions[-1])
    for gone, successor in catalog.load().frameworks[framework].successors.items():
        assert table.known_in(gone), gone
        assert gone not in newest, gone
        assert successor.partition("=")[0].split()[0] in newest, successor


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_is_gone_before_the_floor_is_in_no_table(framework: str) -> None:
    entry, table = catalog.load().frameworks[framework], catalog.options(framework)
    for gone, successor in entry.gone_before.items():
        assert not table.known_in(gone), gone
        assert not successor or all(successor.partition(".")[0] in table.at(v) for v in entry.tested), successor


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ("m --swap-space 4", "`--swap-space` is gone from vLLM 0.33.0: since before 0.23.0", "leave it out"),
        ("m --task=generate", "`--task` is gone from vLLM 0.33.0: since before 0.23.0", "use `--runner`"),
        (
            "m --guided-decoding-backend xgrammar",
            "`--guided-decoding-backend` is gone from vLLM 0.33.0: since before 0.23.0",
            "use `--structured-outputs-config.backend`",
        ),
    ],
)
def test_an_option_of_an_older_release_names_its_successor(words: str, message: str, hint: str) -> None:
    entry = catalog.load().frameworks["vllm"]
    line = arguments.parse(entry, Version("0.33.0"), words.split())
    found = [(f.code, f.message, f.hint) for f in arguments.judge(entry, Version("0.33.0"), line)]
    assert found == [("GLM411", message, hint)]


def test_an_option_of_a_fork_too_is_the_original_ones() -> None:
    entry = catalog.load().frameworks["vllm"]
    line = arguments.parse(entry, Version("0.33.0"), ["m", "--mem-fraction-static", "0.9"])
    (found,) = arguments.judge(entry, Version("0.33.0"), line)
    assert "is an option of SGLang, not of vLLM" in found.message


@pytest.mark.parametrize(
    ("framework", "version", "refused"),
    [("sglang", "0.5.23", True), ("sglang", "0.5.20", False), ("ktransformers", "0.7.2", False)],
)
def test_a_rule_holds_from_its_release_on(framework: str, version: str, refused: bool) -> None:
    entry = catalog.load().frameworks[framework]
    line = arguments.parse(entry, Version(version), ["--tp-size", "8", "--ep-size", "3"])
    rules = [b.rule.check.__name__ for b in engine.judge(entry, Version(version), line)]
    assert ("expert_product" in rules) == refused
    assert "experts" in rules


@pytest.mark.parametrize("profile", sorted(resources.shipped_profiles()))
def test_shipped_profiles_render_known_options(profile: str) -> None:
    outcome = pipeline.judge(pipeline.open_profile(profile))
    assert outcome.plan is not None
    spec = outcome.plan.spec
    for process in outcome.processes:
        assert _errors(spec.framework.id, str(spec.version), process.words(leader="10.0.0.1", api_key="k")) == []


_SWEEP = [
    (framework, version)
    for framework in ("sglang", "vllm")
    for version in map(str, catalog.load().frameworks[framework].tested)
]


@pytest.mark.parametrize(("framework", "version"), _SWEEP)
def test_what_is_rendered_is_known_in_every_version(framework: str, version: str) -> None:
    checked = 0
    for gpus, checkpoint, strategy in itertools.product(
        ("8xh200", "8xb200", "16xh100", "8xmi355x", "8xh20-141gb"),
        ("fp8", "bf16", "nvfp4", "mxfp4", "w4afp8"),
        ("low-latency", "balanced", "high-throughput"),
    ):
        sections: dict[str, Any] = {
            "framework": {"version": version},
            "model": {"checkpoint": checkpoint},
            "serving": {"strategy": strategy, "thinking": "high", "concurrency": 16},
            "secrets": {"api_key": "key"},
        }
        plan = plan_for(framework, gpus, **sections)
        if plan.launchable:
            for process in LAUNCH[framework](plan):
                assert _errors(framework, version, process.words(leader="10.0.0.1", api_key="k")) == []
                checked += 1
    assert checked >= 15


S, V, T, K = "sglang", "vllm", "transformers", "ktransformers"


@pytest.mark.parametrize(
    ("framework", "version", "words", "code"),
    [
        pytest.param(S, "0.5.21", "--no-such-option", "GLM410", id="sglang-unknown"),
        pytest.param(S, "0.5.21", "--tensor-paralel-size 8", "GLM410", id="sglang-misspelt"),
        pytest.param(S, "0.5.21", "stray", "GLM410", id="sglang-stray-word"),
        pytest.param(S, "0.5.21", "--cuda-graph-max 8", "GLM410", id="sglang-ambiguous"),
        pytest.param(S, "0.5.20", "--enable-dsa-prefill-context-parallel", "GLM411", id="sglang-0.5.20-dropped"),
        pytest.param(S, "0.5.23", "--cuda-graph-max-bs 64", "GLM411", id="sglang-renamed-not-ambiguous"),
        pytest.param(S, "0.5.23", "--stream-output", "GLM411", id="sglang-renamed"),
        pytest.param(S, "0.5.21", "--attn-dp-size 8", "GLM411", id="sglang-newer-than-0.5.21"),
        pytest.param(S, "0.5.15", "--default-chat-template-kwargs {}", "GLM411", id="sglang-newer-than-0.5.15"),
        pytest.param(S, "0.5.13.post1", "--enable-prefill-cp", "GLM411", id="sglang-newer-than-the-floor"),
        pytest.param(S, "0.5.21", "--kv-cache-dtype int3", "GLM412", id="sglang-bad-choice"),
        pytest.param(S, "0.5.21", "--tp-size eight", "GLM412", id="sglang-bad-int"),
        pytest.param(S, "0.5.21", "--mem-fraction-static high", "GLM412", id="sglang-bad-float"),
        pytest.param(S, "0.5.21", "--tp-size", "GLM412", id="sglang-missing-value"),
        pytest.param(S, "0.5.21", "--enable-metrics=yes", "GLM412", id="sglang-value-for-a-switch"),
        pytest.param(S, "0.5.19", "--dsa-prefill-backend triton", "GLM412", id="sglang-choice-of-a-later-version"),
        pytest.param(S, "0.5.21", "--gpu-memory-utilization 0.9", "GLM416", id="vllm-option-for-sglang"),
        pytest.param(S, "0.5.21", "--max-model-len 4096", "GLM416", id="vllm-context-for-sglang"),
        pytest.param(S, "0.5.21", "--enable-auto-tool-choice", "GLM416", id="vllm-tools-for-sglang"),
        pytest.param(S, "0.5.21", "--tp-size 8 --pp-size 1 --nnodes 3", "GLM320", id="sglang-ranks-divide"),
        pytest.param(S, "0.5.21", "--tp-size 8 --nnodes 2 --node-rank 2", "GLM320", id="sglang-rank-in-range"),
        pytest.param(S, "0.5.21", "--tp-size 2 --pp-size 5 --nnodes 2", "GLM321", id="sglang-last-stage-never-starts"),
        pytest.param(S, "0.5.21", "--tp-size 10", "GLM322", id="sglang-heads"),
        pytest.param(S, "0.5.23", "--tp-size 8 --attn-dp-size 3", "GLM322", id="sglang-attention-dp"),
        pytest.param(
            S, "0.5.21", "--tp-size 24 --dp-size 8 --enable-dp-attention", "GLM323", id="sglang-expert-columns"
        ),
        pytest.param(S, "0.5.21", "--model-path zai-org/GLM-5.2-FP8 --tp-size 32", "GLM323", id="sglang-fp8-blocks"),
        pytest.param(S, "0.5.21", "--tp-size 8 --ep-size 3", "GLM323", id="sglang-experts"),
        pytest.param(S, "0.5.21", "--tp-size 8 --moe-dense-tp-size 2", "GLM323", id="sglang-dense-width"),
        pytest.param(S, "0.5.21", "--chunked-prefill-size 1000", "GLM324", id="sglang-page"),
        pytest.param(
            S, "0.5.21", "--tp-size 8 --enable-prefill-cp --attn-cp-size 8", "GLM325", id="sglang-cp-strategy"
        ),
        pytest.param(
            S,
            "0.5.21",
            "--tp-size 16 --enable-prefill-cp --cp-strategy interleave --attn-cp-size 16",
            "GLM325",
            id="sglang-cp-one-machine",
        ),
        pytest.param(S, "0.5.21", "--tp-size 8 --dcp-size 3", "GLM325", id="sglang-dcp"),
        pytest.param(
            S, "0.5.21", "--tp-size 8 --dcp-size 2 --enable-hierarchical-cache", "GLM325", id="sglang-dcp-and-hicache"
        ),
        pytest.param(
            S, "0.5.21", "--pp-size 2 --speculative-algorithm EAGLE", "GLM326", id="sglang-speculative-stages"
        ),
        pytest.param(S, "0.5.21", "--tp-size 2 --nnodes 2 --dp-size 2", "GLM327", id="sglang-replicas-on-ranks"),
        pytest.param(S, "0.5.21", "--served-model-name glm:5", "GLM328", id="sglang-colon"),
        pytest.param(S, "0.5.21", "--api-key k --tokenizer-worker-num 2", "GLM328", id="sglang-key-and-workers"),
        pytest.param(S, "0.5.21", "--ssl-keyfile k", "GLM328", id="sglang-half-a-certificate"),
        pytest.param(S, "0.5.21", "--context-length 2000000", "GLM329", id="sglang-context"),
        pytest.param(V, "0.31.0", "m --no-such-option", "GLM410", id="vllm-unknown"),
        pytest.param(V, "0.31.0", "m stray", "GLM410", id="vllm-second-model"),
        pytest.param(V, "0.31.0", "m --tensor-parallel-size eight", "GLM412", id="vllm-bad-int"),
        pytest.param(V, "0.31.0", "m --max-num-seqs", "GLM412", id="vllm-missing-value"),
        pytest.param(V, "0.31.0", "m --mem-fraction-static 0.9", "GLM416", id="sglang-option-for-vllm"),
        pytest.param(V, "0.31.0", "m --context-length 4096", "GLM416", id="sglang-context-for-vllm"),
        pytest.param(V, "0.31.0", "m --tensor-parallel-size 10", "GLM322", id="vllm-heads"),
        pytest.param(V, "0.31.0", "zai-org/GLM-5.2-FP8 --tensor-parallel-size 32", "GLM323", id="vllm-fp8-blocks"),
        pytest.param(V, "0.31.0", "m --tensor-parallel-size 16 --nnodes 3", "GLM320", id="vllm-ranks-divide"),
        pytest.param(
            V, "0.31.0", "m --tensor-parallel-size 8 --decode-context-parallel-size 3", "GLM325", id="vllm-dcp"
        ),
        pytest.param(
            V,
            "0.29.0",
            'm --pipeline-parallel-size 2 --speculative-config {"method":"mtp"}',
            "GLM326",
            id="vllm-speculative-stages",
        ),
        pytest.param(V, "0.31.0", "m --max-model-len 1048577", "GLM329", id="vllm-context"),
        pytest.param(
            V,
            "0.31.0",
            "m --nnodes 2 --tensor-parallel-size 2 --distributed-executor-backend ray",
            "GLM330",
            id="vllm-ray",
        ),
        pytest.param(V, "0.31.0", "m --headless --api-server-count 2", "GLM330", id="vllm-headless"),
        pytest.param(V, "0.31.0", "m --speculative-config {}", "GLM330", id="vllm-speculative-nothing"),
        pytest.param(
            V,
            "0.31.0",
            "m --data-parallel-hybrid-lb --data-parallel-external-lb",
            "GLM330",
            id="vllm-two-load-balancers",
        ),
        pytest.param(V, "0.31.0", "m --enable-auto-tool-choice", "GLM328", id="vllm-tools-without-parser"),
        pytest.param(
            V, "0.31.0", "m --enable-auto-tool-choice --tool-call-parser glm74", "GLM412", id="vllm-tool-parser"
        ),
        pytest.param(
            V,
            "0.31.0",
            "m --enable-auto-tool-choice --tool-call-parser GLM47",
            "GLM412",
            id="vllm-tool-parser-has-a-case",
        ),
        pytest.param(V, "0.31.0", "m --reasoning-parser=glm54", "GLM412", id="vllm-reasoning-parser"),
        pytest.param(V, "0.32.0", "m --reasoning-parser none", "GLM412", id="vllm-reasoning-none-is-newer"),
        pytest.param(V, "0.31.0", "m --reasoning-parser a --tool-parser-plugin a.py", "GLM412", id="vllm-other-plugin"),
        pytest.param(V, "0.31.0", "m --kv-cache-dtype int3", "GLM331", id="vllm-kv-dtype"),
        pytest.param(V, "0.31.0", "m --model n", "GLM410", id="vllm-two-models"),
        *(
            pytest.param(V, "0.31.0", f"m --lora-modules {adapter}", "GLM412", id=f"vllm-adapter-{adapter}")
            for adapter in ("word", "a=b,c", "a=b 5", "[1]", '{"name":"a"}', '{"name":"a","path":"b","x":1}')
        ),
        *(
            pytest.param(V, "0.33.0", f"m {words}", "GLM331", id=f"vllm{words.replace(' ', '')}")
            for words in (
                "-tp -1",
                "--max-num-seqs -1",
                "--max-num-batched-tokens -1",
                "--max-model-len 0",
                "--max-model-len -2",
                "--block-size 0",
                "--numa-bind-nodes 0 -1",
                "--shutdown-timeout -1",
            )
        ),
        *(
            pytest.param(S, "0.5.23", words, "GLM331", id=f"sglang{words.replace(' ', '')}")
            for words in ("--attn-dp-size -1", "--pp-size -1", "--ep-size -1", "--grpc-port 0", "--base-gpu-id -1")
        ),
        pytest.param(S, "0.5.23", "--node-rank -1", "GLM320", id="sglang-rank-below-0"),
        pytest.param(S, "0.5.23", "--moe-dense-tp-size 0", "GLM323", id="sglang-no-dense-width"),
        pytest.param(S, "0.5.23", "--tp-size 8 --moe-dp-size 2", "GLM323", id="sglang-moe-dp-without-attention-cp"),
        pytest.param(
            S,
            "0.5.23",
            "--tp-size 8 --ep-size 4 --moe-runner-backend flashinfer_cutlass",
            "GLM323",
            id="sglang-runner-wants-whole-expert-parallelism",
        ),
        pytest.param(S, "0.5.23", "--tp-size 512", "GLM323", id="sglang-more-ranks-than-experts"),
        pytest.param(V, "0.31.0", "m --gpu-memory-utilization 1.5", "GLM331", id="vllm-fraction"),
        pytest.param(V, "0.31.0", "m --max-num-seqs 0", "GLM331", id="vllm-no-request"),
        pytest.param(
            V, "0.31.0", "m --max-num-seqs 1024 --max-num-batched-tokens 512", "GLM331", id="vllm-chunk-below-requests"
        ),
        pytest.param(V, "0.31.0", "m --max-model-len 2M", "GLM329", id="vllm-context-with-suffix"),
        pytest.param(V, "0.31.0", "m --tensor-parallel-size 8k", "GLM412", id="vllm-suffix-where-none-goes"),
        pytest.param(V, "0.31.0", "m --max-model-len 1Mi", "GLM412", id="vllm-has-no-Mi"),
        pytest.param(
            V, "0.31.0", "m --enable-prefix-caching --no-enable-prefix-caching", "GLM414", id="vllm-on-and-off"
        ),
        pytest.param(V, "0.31.0", "m --max-num-seqs 8 --max-num-seqs 16", "GLM414", id="vllm-twice"),
        pytest.param(S, "0.5.21", "--tp-size 8 --tp 4", "GLM414", id="sglang-twice-under-two-names"),
        pytest.param(V, "0.33.0", "m --enable-lora --disable-lora", "GLM414", id="vllm-enable-disable"),
        pytest.param(S, "0.5.21", "--tp-size 8 --pp-size 2 --moe-dp-size 2", "GLM323", id="sglang-moe-dp-and-stages"),
        *(
            pytest.param(V, "0.31.0", f"m {option} 0", "GLM331", id=f"vllm-zero{option}")
            for option in ("-tp", "--nnodes", "--decode-context-parallel-size", "--data-parallel-size")
        ),
        *(
            pytest.param(S, "0.5.21", f"{option} 0", "GLM331", id=f"sglang-zero{option}")
            for option in ("--tp-size", "--nnodes", "--ep-size", "--dcp-size", "--moe-dp-size", "--attn-cp-size")
        ),
        *(
            pytest.param(V, "0.33.0", f"m {words}", "GLM330", id=f"vllm{words.replace(' ', '')}")
            for words in (
                '--speculative-config {"method":"mtp"}',
                '--speculative-config {"method":"ngram"}',
                '--speculative-config {"method":"eagle","num_speculative_tokens":3}',
                '--speculative-config {"method":"foo","num_speculative_tokens":3}',
                '--speculative-config {"method":"mtp","num_speculative_tokens":0}',
                '--speculative-config {"method":"mtp","num_speculative_tokens":3,"foo":1}',
                "-sc 3",
                "--speculative-config.method mtp",
                '--kv-transfer-config {"kv_connector":"NixlConnector"}',
                '--kv-transfer-config {"kv_connector":"NixlConnector","kv_role":"foo"}',
            )
        ),
        *(
            pytest.param(V, "0.33.0", f"m {words}", "GLM331", id=f"vllm{words.replace(' ', '')}")
            for words in (
                "-cc 3",
                '--compilation-config {"foo":1}',
                '--compilation-config {"cudagraph_mode":"foo"}',
                "--attention-config.foo 1",
                "--attention-config.backend FOO",
                "--attention-backend FOO",
                "--distributed-executor-backend foo",
                "--data-parallel-backend foo",
                "--quantization foo",
                "--cpu-offload-gb -1",
                "--max-logprobs -2",
                "--data-parallel-rank 5 -dp 2",
                "--no-enable-chunked-prefill --max-num-batched-tokens 2048",
            )
        ),
        *(
            pytest.param(V, "0.33.0", f"m {words}", "GLM412", id=f"vllm{words.replace(' ', '')}")
            for words in (
                "--speculative-config mtp",
                "--limit-mm-per-prompt image=2",
                "--allowed-origins *",
                "--allowed-methods None",
            )
        ),
        *(
            pytest.param(S, version, words, "GLM328", id=f"sglang-{version}{words.replace(' ', '')}")
            for version in ("0.5.13.post1", "0.5.23")
            for words in (
                "--speculative-algorithm EAGLE --speculative-num-steps 3",
                "--speculative-algorithm NEXTN --speculative-num-draft-tokens 4",
                "--disable-radix-cache --enable-hierarchical-cache",
                "--tp-size 8 --enable-eplb",
                "--enable-lora",
            )
        ),
        *(
            pytest.param(S, "0.5.23", words, "GLM331", id=f"sglang{words.replace(' ', '')}")
            for words in (
                "--speculative-algorithm FOO",
                "--json-model-override-args {bad",
                "--json-model-override-args [1]",
                "--swa-full-tokens-ratio 2",
                "--model-path /m/GLM-5.2-FP8/ --quantization w4afp8",
            )
        ),
        pytest.param(
            S,
            "0.5.23",
            "--attn-dp-size 2 --enable-dp-attention --dp-size 2 --tp-size 8",
            "GLM327",
            id="sglang-replicas-beside-attention-dp",
        ),
        pytest.param(K, "0.7.2", "--tp-size 8 --ep-size 3", "GLM323", id="kt-experts"),
        pytest.param(V, "0.31.0", "m --enable-dbo", "GLM330", id="vllm-microbatches"),
        pytest.param(T, "5.23.0", "m --tensor-parallel-size 8", "GLM416", id="transformers-has-no-tp"),
        pytest.param(T, "5.23.0", "m --api-key k", "GLM416", id="transformers-has-no-key"),
        pytest.param(K, "0.7.2", "--kt-num-gpu-experts many", "GLM412", id="kt-bad-int"),
        pytest.param(K, "0.7.2", "--dcp-size 2", "GLM416", id="kt-lacks-sglangs"),
    ],
)
def test_wrong_words_are_named(framework: str, version: str, words: str, code: str) -> None:
    assert code in [e.partition(" ")[0] for e in _errors(framework, version, words.split())]


# The published cells are data of others, which this repository does not ship.
@pytest.mark.skipif(not FACTS.is_dir(), reason="SKIPPED: the published cells are not beside this checkout")
@pytest.mark.parametrize("version", ["0.5.15", "0.5.19", "0.5.23"])
def test_published_sglang_cells_pass_or_fail_with_the_reason(version: str) -> None:
    cells = json.loads((FACTS / "sglang_cells.json").read_text())
    cells = cells["cells"] if isinstance(cells, dict) else cells
    failed = [_errors("sglang", version, [w if w != "<node-rank>" else "0" for w in c["argv"]]) for c in cells]
    named = [e for errors in failed for e in errors]
    assert len(cells) == 58
    assert all("`triton` is not one of" in e for e in named)  # MXFP4 cells: their ROCm image is newer than its tag
    assert bool(named) == (version != "0.5.23")


# The published cells are data of others, which this repository does not ship.
@pytest.mark.skipif(not FACTS.is_dir(), reason="SKIPPED: the published cells are not beside this checkout")
@pytest.mark.parametrize("version", ["0.23.0", "0.33.0"])
def test_published_vllm_cells_get_the_engines_own_verdict(version: str) -> None:
    for cell in json.loads((FACTS / "vllm_cells.json").read_text()):
        verdict = cell["oracle"].get(version) if isinstance(cell.get("oracle"), dict) else None
        if verdict:
            errors = _errors("vllm", version, cell["argv"])
            assert bool(errors) == (verdict not in {"accepted", "parsed"}), (cell["argv"], verdict, errors)


@pytest.mark.parametrize(
    ("framework", "version", "words"),
    [
        pytest.param(V, "0.31.0", "m --max-model-len auto", id="vllm-auto"),
        pytest.param(V, "0.31.0", "m --max-model-len -1", id="vllm-minus-one"),
        pytest.param(V, "0.31.0", "m --max-model-len 1M", id="vllm-M-is-binary"),
        pytest.param(V, "0.31.0", "m --max-model-len 128k --max-num-seqs 8 --max-num-seqs 8", id="vllm-said-twice"),
        pytest.param(V, "0.31.0", "m --middleware a --middleware b", id="vllm-repeatable"),
        pytest.param(
            V,
            "0.31.0",
            "m --speculative-config.method mtp --speculative-config.num_speculative_tokens 3",
            id="vllm-dotted",
        ),
        pytest.param(V, "0.31.0", "m --kv-cache-dtype fp8_ds_mla --gpu-memory-utilization 1", id="vllm-edges"),
        *(
            pytest.param(
                V, version, f"m --tool-call-parser {tool} --reasoning-parser {thought}", id=f"vllm-{version}-{tool}"
            )
            for version in ("0.23.0", "0.33.0")
            for tool, thought in (("glm47", "glm45"), ("glm45", "glm45"))
        ),
        pytest.param(V, "0.33.0", "m --reasoning-parser glm47", id="vllm-reasoning-glm47"),
        pytest.param(V, "0.33.0", "m --tool-call-parser glm74", id="vllm-tool-parser-is-not-looked-up"),
        pytest.param(V, "0.33.0", "--model m", id="vllm-model-as-an-option"),
        pytest.param(
            V, "0.33.0", 'm --lora-modules a=b {"name":"a","path":"b","base_model_name":"c"}', id="vllm-adapters"
        ),
        pytest.param(V, "0.33.0", "m --max-num-queued-reqs 0 --node-rank 0 --stream-interval 1", id="vllm-minimums"),
        pytest.param(S, "0.5.23", "--tp-size 8 --ep-size 4", id="sglang-part-of-expert-parallelism"),
        pytest.param(S, "0.5.23", "--tp-size 8 --moe-dp-size 2 --attn-cp-size 2 --ep-size 4", id="sglang-moe-dp"),
        pytest.param(S, "0.5.23", "--tp-size 8 --attn-cp-size 2", id="sglang-attention-cp-alone"),
        pytest.param(S, "0.5.23", "--tp-size 8 --moe-a2a-backend deepep --ep-size 3", id="sglang-all-to-all-sets-ep"),
        pytest.param(
            S,
            "0.5.23",
            "--tp-size 8 --enable-prefill-cp --cp-strategy zigzag --ep-size 3",
            id="sglang-zigzag-sets-ep",
        ),
        pytest.param(
            S, "0.5.21", "--chunked-prefill-size 1000 --disaggregation-mode decode", id="sglang-decode-has-no-chunks"
        ),
        pytest.param(S, "0.5.21", "--chunked-prefill-size -1 --context-length -1", id="sglang-minus-one"),
        pytest.param(V, "0.23.0", "m --max-logprobs -2", id="vllm-0.23.0-takes-it"),
        pytest.param(S, "0.5.23", "--tp-size 8 --moe-a2a-backend deepep --enable-eplb", id="sglang-balance"),
        pytest.param(S, "0.5.23", "--enable-lora --lora-paths a=/a", id="sglang-adapter"),
        pytest.param(S, "0.5.23", "--speculative-algorithm none --json-model-override-args []", id="sglang-nothing"),
        pytest.param(
            S, "0.5.23", "--model-path GLM-5.2-W4AFP8 --quantization w4afp8", id="sglang-quantised-as-it-says"
        ),
        pytest.param(S, "0.5.23", "--tp-size 8 --attn-dp-size 2 --enable-dp-attention", id="sglang-flag-adds-nothing"),
        *(
            pytest.param(V, "0.33.0", f"m {words}", id=f"vllm{words.replace(' ', '')}")
            for words in (
                "--speculative-config=None",
                "--kv-transfer-config=",
                "--speculative-config null",
                '--speculative-config {"model":"a/b"}',
                '--speculative-config {"method":"mtp"} --spec-tokens 3',
                '--compilation-config {"cudagraph_mode":2,"mode":3}',
                "--attention-config.backend flashmla_sparse",
                "--compilation-config.cudagraph_capture_sizes [1",
                "--distributed-executor-backend own.Executor",
                "--max-logprobs -1 --cpu-offload-gb 0",
                "--no-enable-chunked-prefill",
                "--enable-dbo",
                "--enable-chunked-prefill --max-num-batched-tokens 2048",
            )
        ),
        pytest.param(S, "0.5.21", "--served-model-name S3://bucket/glm", id="sglang-object-storage"),
        pytest.param(S, "0.5.23", "--base-gpu-id 0 --gpu-id-step 1 --moe-dense-tp-size 1", id="sglang-minimums"),
        pytest.param(V, "0.33.0", "m --reasoning-parser none", id="vllm-reasoning-none"),
        pytest.param(V, "0.31.0", "m --tool-call-parser a --tool-parser-plugin a.py", id="vllm-tool-plugin"),
        pytest.param(
            V, "0.31.0", "m --reasoning-parser-plugin=a.py --reasoning_parser a", id="vllm-reasoning-plugin-before"
        ),
    ],
)
def test_right_words_pass(framework: str, version: str, words: str) -> None:
    assert _errors(framework, version, words.split()) == []


@pytest.mark.parametrize("profile", sorted(resources.shipped_profiles()))
def test_shipped_profiles_set_variables_that_the_version_reads(profile: str) -> None:
    outcome = pipeline.judge(pipeline.open_profile(profile))
    assert outcome.plan is not None
    spec = outcome.plan.spec
    if table := catalog.variables(spec.framework.id):
        ours = {n for p in outcome.processes for n, _ in p.env if n.startswith(table.prefixes)}
        assert all(table.reads(name, spec.version) for name in ours), ours


@pytest.mark.parametrize("framework", [S, V, K])
def test_variables_were_read_from_the_same_releases(framework: str) -> None:
    table = catalog.variables(framework)
    assert table is not None
    assert table.versions == catalog.options(framework).versions
    assert len(table.at(table.versions[-1])) > 100


def test_lint_of_a_command_line_names_the_place(run: Callable[..., Result], tmp_path: Path) -> None:
    file = tmp_path / "run.sh"
    file.write_text("# mine\nFOO=1 python3 -m sglang.launch_server --model-path m \\\n  --tp 8 --max-model-len 4096\n")
    result = run("lint", "--framework", "sglang", "--framework-version", "0.5.21", "--argv", str(file))
    assert result.code == 1
    assert f"{file}:3:10" in result.err
    assert "did you mean `--context-length`?" in result.err
    assert "warning[GLM415]" in result.err


def test_a_misspelt_parser_name_gets_the_right_one() -> None:
    first, second = _errors(
        V, "0.33.0", ["m", "--enable-auto-tool-choice", "--tool-call-parser", "glm74", "--reasoning-parser", "glm-45"]
    )
    assert first.endswith("did you mean `glm47`?")
    assert second.endswith("did you mean `glm45`?")


def test_lint_of_a_json_command_line(run: Callable[..., Result], tmp_path: Path) -> None:
    file = tmp_path / "argv.json"
    file.write_text(json.dumps(["vllm", "serve", "m", "--max-model-len", "1M"]))
    assert run("lint", "--framework", "vllm", "--argv", str(file)).code == 0
    file.write_text('["vllm", 1]')
    assert "error[GLM018]" in run("lint", "--framework", "vllm", "--argv", str(file)).err
    file.write_text("vllm serve 'open")
    assert "error[GLM018]" in run("lint", "--framework", "vllm", "--argv", str(file)).err


@pytest.mark.parametrize(
    ("version", "code"),
    [pytest.param("0.4.0", 1, id="below-the-floor"), pytest.param("9.9.9", 0, id="unknown")],
)
def test_lint_of_a_command_line_knows_its_versions(
    run: Callable[..., Result], tmp_path: Path, version: str, code: int
) -> None:
    file = tmp_path / "run.sh"
    file.write_text("python3 -m sglang.launch_server --model-path m\n")
    result = run("lint", "--framework", "sglang", "--framework-version", version, "--argv", str(file))
    assert result.code == code
    assert ("error[GLM109]" if code else "warning[GLM110]") in result.err


@pytest.mark.parametrize("text", ["", "[]", "# nothing\n", "A=1\n"])
def test_a_file_without_a_command_line_is_refused(run: Callable[..., Result], tmp_path: Path, text: str) -> None:
    file = tmp_path / "run.sh"
    file.write_text(text)
    result = run("lint", "--framework", "vllm", "--argv", str(file))
    assert (result.code, "error[GLM018]" in result.err) == (1, True)


def test_an_endless_number_is_no_crash() -> None:
    assert _errors(V, "0.31.0", ["m", "--max-model-len", "9" * 400]) == []


def test_lint_of_nothing_or_both_is_usage(run: Callable[..., Result]) -> None:
    assert run("lint", "--argv", "x").code == 2
    assert run("lint", "a.yaml", "--argv", "x", "--framework", "vllm").code == 2


def test_profiles_without_extra_arguments_load_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> None:
        raise AssertionError("loaded")

    monkeypatch.setattr(catalog, "options", refuse)
    assert not pipeline.judge(source.read(resources.shipped_profiles()["glm-5.2-fp8-8xh200-vllm"])).refused
