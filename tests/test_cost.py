"""What a plan costs: exact decimals, dated defaults, and the seats that cost as much."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from conftest import plan_for
from hypothesis import given, settings
from hypothesis import strategies as st

from glmdeploy import catalog, cost, money
from glmdeploy.catalog import market
from glmdeploy.diagnostics import ProfileError

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Result

TEN = ("--framework", "sglang", "--gpus", "10xH100")
PLAN = plan_for("sglang", "10xh100")


def priced(**rates: Decimal | int) -> cost.Cost:
    found, problems = cost.of(PLAN, cost.Rates(**rates))  # type: ignore[arg-type]
    assert not problems
    assert found is not None
    return found


def test_ten_h100_at_forty_dollars_an_hour_come_to_29200_a_month(run: Callable[..., Result]) -> None:
    result = run("cost", *TEN, "--price-total", "40")
    assert result.code == 0
    assert "USD 29,200.00 a month of 730 h" in " ".join(result.out.split())
    assert "before networking and people" in " ".join(result.out.split())


@pytest.mark.parametrize(
    ("option", "value", "hour", "month"),
    [
        ("--price", "4", "40.00", "29200.00"),
        ("--price", "0.1", "1.00", "730.00"),
        ("--price", "2.953", "29.53", "21556.90"),
        ("--price-total", "0.000001", "0.00", "0.00"),
        ("--price-total", "999999999.999999", "1000000000.00", "730000000.00"),
    ],
)
def test_money_is_exact(run: Callable[..., Result], option: str, value: str, hour: str, month: str) -> None:
    case = run("cost", *TEN, option, value, "--format", "json").json["cases"][0]
    assert case["hour"] == hour
    if value != "999999999.999999":
        assert case["month"] == month


@pytest.mark.parametrize("option", ["--price", "--price-total", "--storage"])
@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "0",
        "0.0",
        "-3",
        "+3",
        "1e3",
        "nan",
        "inf",
        "$4",
        "4,00",
        "1_000",
        "\u0663",
        "4.1234567",
        "1" * 10,
        "4 ",
    ],
)
def test_what_is_no_amount_is_refused_with_a_code(run: Callable[..., Result], option: str, text: str) -> None:
    result = run("cost", *TEN, option, text)
    assert result.code == 1
    assert "error[GLM701]" in result.err
    assert not result.out


def test_control_characters_do_not_reach_the_terminal(run: Callable[..., Result]) -> None:
    result = run("cost", *TEN, "--price", "4\x1b[31m")
    assert result.code == 1
    assert "\x1b" not in result.err


@pytest.mark.parametrize("text", ["0", "0%", "1.01", "101%", "-1", "half", "1e-2", "\u0665%", "50 %"])
def test_what_is_no_share_is_refused_with_a_code(run: Callable[..., Result], text: str) -> None:
    result = run("cost", *TEN, "--utilisation", text, "--format", "json")
    assert result.code == 1
    assert [d["code"] for d in result.json["diagnostics"]] == ["GLM703"]
    assert result.json["cases"] == []


def test_two_prices_are_a_usage_error(run: Callable[..., Result]) -> None:
    assert run("cost", *TEN, "--price", "3", "--price-total", "30").code == 2


def test_without_a_price_the_published_range_counts_with_its_date(run: Callable[..., Result]) -> None:
    data = run("cost", *TEN, "--format", "json").json
    assert [(c["name"], c["gpu_hour"]) for c in data["cases"]] == [
        ("low", "1.99"),
        ("typical", "2.95"),
        ("high", "5.00"),
    ]
    assert data["chosen"] == "typical"
    assert data["price_checked"] == "2026-11-23"
    assert "mercatus" in data["price_source"]


def test_a_gpu_without_a_price_asks_for_one(run: Callable[..., Result]) -> None:
    result = run("cost", "--framework", "sglang", "--gpus", "4xGB300")
    assert result.code == 1
    assert "error[GLM702]: no price is known for NVIDIA GB300" in result.err
    assert "--> --gpus 4xGB300" in result.err
    assert run("cost", "--framework", "sglang", "--gpus", "4xGB300", "--price", "4").code == 0


def test_a_refused_plan_has_no_cost(run: Callable[..., Result]) -> None:
    result = run("cost", "--framework", "vllm", "--gpus", "8xH100", "--price", "3", "--format", "json")
    assert result.code == 1
    assert result.json["cases"] == []
    assert result.json["diagnostics"][0]["code"] == "GLM201"


def test_storage_is_one_copy_of_the_checkpoint() -> None:
    assert money.cents(priced(total=Decimal(40), storage=Decimal("0.10")).chosen.storage) == Decimal("75.56")


def test_half_the_use_doubles_a_token() -> None:
    whole, half = (priced(total=Decimal(40), utilisation=Decimal(u)).chosen.million for u in ("1", "0.5"))
    assert whole is not None
    assert half == whole * 2


def test_prompts_are_held_against_the_bound(run: Callable[..., Result]) -> None:
    data = run("cost", *TEN, "--price-total", "40", "--tokens-per-prompt", "3000", "--format", "json").json
    assert data["prompts_per_week_at_most"] == data["upper_bound_output_tokens_s"] * 604_800 // 3000
    assert {e["within_upper_bound"] for e in data["cases"][0]["break_even"]} <= {"yes", "no"}
    out = " ".join(run("cost", *TEN, "--price-total", "40", "--tokens-per-prompt", "3000").out.split())
    assert "this hardware cannot serve so many: at most" in out
    assert "Hosted costs more" not in out


def test_an_upper_bound_never_says_yes(run: Callable[..., Result]) -> None:
    out = run("cost", *TEN, "--price-total", "40", "--tokens-per-prompt", "600").out
    assert "not excluded" in out
    assert " yes\n" not in out
    assert "this hardware cannot serve all of these: `possible` says which" in " ".join(out.split())
    both = run("cost", *TEN, "--price-total", "40", "--tokens-per-prompt", "900").out  # Lite, monthly is left
    assert "this hardware cannot serve so many" in " ".join(both.split())
    unasked = " ".join(run("cost", *TEN, "--price-total", "40").out.split())
    assert "whether this hardware serves so many is not known here (--tokens-per-prompt)" in unasked


def test_what_was_measured_follows_the_bound(run: Callable[..., Result]) -> None:
    options = ("--framework", "sglang", "--gpus", "8xH200", "--tokens-per-prompt", "500")
    out = " ".join(run("cost", *options).out.split())
    assert "the upper bound does not exclude that this hardware serves so many, and cannot confirm it" in out
    data = run("cost", *options, "--format", "json").json
    rate = data["measured_output_tokens_s"]
    assert 0 < rate < data["upper_bound_output_tokens_s"]
    assert f"measured {rate:,} output tokens/s, the highest published figure" in out
    assert run("cost", *TEN, "--format", "json").json["measured_output_tokens_s"] == 0


@settings(deadline=None, max_examples=60)  # machines are shared
@given(st.decimals("0.01", "9999", places=4), st.decimals("0.0001", "9", places=4))
def test_one_seat_fewer_never_costs_more(hour: Decimal, storage: Decimal) -> None:
    case = priced(total=hour, storage=storage).chosen
    assert case.month == hour * 730 + Decimal(PLAN.spec.checkpoint.total_bytes) / 10**9 * storage
    for even in case.evens:
        assert even.seats * even.tier.price > case.month >= (even.seats - 1) * even.tier.price


@settings(deadline=None, max_examples=60)  # machines are shared
@given(st.decimals("0.000001", "999999999", places=6))
def test_an_amount_is_read_as_written(amount: Decimal) -> None:
    assert money.parse(f"{amount:f}", "--price") == amount


@settings(deadline=None, max_examples=60)  # machines are shared
@given(st.text())
def test_any_text_is_an_amount_or_a_code(text: str) -> None:
    for parser, code in ((money.parse, "GLM701"), (money.parse_share, "GLM703")):
        try:
            amount = parser(text, "--price")
        except ProfileError as error:
            amount, codes = Decimal(1), [d.code for d in error.diagnostics]
        else:
            codes = [code]
        assert amount > 0
        assert codes == [code]


def test_prices_and_tiers_are_cited_and_dated() -> None:
    assert set(market.prices()) <= set(catalog.load().gpus)
    for price in market.prices().values():
        assert price.fact.source
        assert price.fact.checked.startswith("2026-")
        assert price.low <= price.usual <= (price.high or price.usual)
    hosted = market.hosted()
    assert [t.label for t in hosted.tiers] == ["Lite, monthly", "Lite, yearly", "Pro, yearly", "Max, yearly"]
    lite = hosted.tiers[1]
    assert [t.prompts_per_week // lite.prompts_per_week for t in hosted.tiers] == [1, 1, 5, 20]
    assert hosted.unverified
    assert hosted.fact.source


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_nothing_is_wider_than_a_terminal_and_money_has_two_decimals(run: Callable[..., Result], form: str) -> None:
    out = run(
        "cost", *TEN, "--storage", "0.1", "--tokens-per-prompt", "2000", "--utilisation", "30%", "--format", form
    ).out
    assert form == "markdown" or all(len(line) <= 80 for line in out.splitlines())
    assert "30 % is used" in " ".join(out.split())
    assert ("| --- |" in out) == (form == "markdown")
