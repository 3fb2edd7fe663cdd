"""Amounts of money as exact decimals, read from options and written with two decimals."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal

from glmdeploy.diagnostics import Diagnostic, ProfileError, Span

CURRENCY = "USD"
_AMOUNT = re.compile(r"\d{1,9}(\.\d{1,6})?\Z", re.ASCII)
_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)(%?)\Z", re.ASCII)
_CENT = Decimal("0.01")


def cents(amount: Decimal) -> Decimal:
    """The amount in whole cents, halves up."""
    return amount.quantize(_CENT, ROUND_HALF_UP)


def shown(amount: Decimal) -> str:
    """``29,200.00``."""
    return f"{cents(amount):,}"


def exact(amount: Decimal) -> str:
    """A string for JSON, whose numbers are binary floats to most readers."""
    return str(cents(amount))


def parse(text: str, option: str) -> Decimal:
    """The amount that an option gives; ProfileError with GLM701 for anything but a plain number above zero."""
    amount = Decimal(text) if _AMOUNT.match(text) else Decimal(0)
    if not amount:
        reason = f"`{_seen(text)}` is not an amount of {CURRENCY} above zero, with six decimals at most"
        hint = "write `2.95`: no sign, currency or thousands separator"
        raise ProfileError([Diagnostic("GLM701", reason, span=Span(f"{option} {_seen(text)}"), hint=hint)])
    return amount


def parse_share(text: str, option: str) -> Decimal:
    """The share that ``0.5`` or ``50%`` means; ProfileError with GLM703 outside (0, 1]."""
    found = _SHARE.match(text)
    share = Decimal(found[1]) / (100 if found[2] else 1) if found else Decimal(0)
    if not 0 < share <= 1:
        reason = f"`{_seen(text)}` is not a share above 0 and up to 1"
        where = Span(f"{option} {_seen(text)}")
        raise ProfileError([Diagnostic("GLM703", reason, span=where, hint="write `0.5` or `50%`")])
    return share


def _seen(text: str) -> str:
    """The text with nothing in it that drives a terminal."""
    return ascii(text)[1:-1]
