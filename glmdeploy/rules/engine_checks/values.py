"""The options of one command line as the checks read them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from glmdeploy import catalog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from packaging.version import Version

    from glmdeploy.commandline import CommandLine, Given
    from glmdeploy.flags import Framework

# Suffixes of whole numbers: SGLang's k is decimal and its Ki binary (0.5.23 srt/utils/common.py human_readable_int),
# vLLM's k is decimal and its K binary (0.33.0 utils/argparse_utils.py human_readable_int).
_POWERS = {"k": 1, "m": 2, "g": 3, "t": 4}
_NUMBER = re.compile(r"([+-]?\d{1,15}(?:\.\d{1,15})?)(?:([kKmMgGtT])(i?))?")


class UnknownValueError(Exception):
    """A value that only the running shell knows."""


class Values:
    """The options of one command line by their full names, with defaults; ``given`` are those that were read."""

    def __init__(self, framework: Framework, version: Version, line: CommandLine, env: Mapping[str, str]) -> None:
        self.framework = framework
        self.version = version
        self.line = line
        self.env = env
        self.model = catalog.load().model
        self.given: list[Given] = []

    def _last(self, *names: str) -> Given | None:
        """The mention that counts; UnknownValueError when it could be any."""
        last = max(filter(None, map(self.line.last, names)), key=lambda g: g.index, default=None)
        if self.line.unknown if last is None else not last.known:
            raise UnknownValueError
        self.given += [last] if last else []
        return last

    def text(self, *names: str) -> str:
        """The value that counts, or an empty string."""
        last = self._last(*names)
        return last.value if last else ""

    def number(self, *names: str, default: int = 1) -> int:
        """The value as a whole number; the default when it is absent or not one."""
        whole = self._whole(self.text(*names))
        return default if whole is None else whole

    def _whole(self, text: str) -> int | None:
        match = _NUMBER.fullmatch(text.replace("_", ""))
        if not match:
            return None
        digits, suffix, binary = match.groups(default="")
        kilo = 1024 if binary or (suffix.isupper() and self.framework.id == "vllm") else 1000
        return int(float(digits) * kilo ** _POWERS.get(suffix.lower(), 0))

    def size(self, *names: str) -> int:
        """The value as a size to divide by: at least 1, since others are refused for themselves."""
        return max(1, self.number(*names))

    def wrong(self, names: Iterable[str], is_wrong: Callable[[str, int], bool]) -> str:
        """The first mention that counts whose number is wrong, as `--name 0`; then only that one was read.

        What is absent has its default, so that nothing is unknown about it.
        """
        for name in names:
            last = self.line.last(name)
            for value in last.values if last and last.known else ():
                if last and (whole := self._whole(value)) is not None and is_wrong(name, whole):
                    self.given = [last]
                    return f"{name} {value}"
        return ""

    def below(self, minimums: Mapping[str, int]) -> str:
        """The first option below its minimum, in words."""
        said = self.wrong(minimums, lambda name, number: number < minimums[name])
        return f"{said} is below {minimums[said.split()[0]]}" if said else ""

    def has(self, *names: str) -> bool:
        """Whether any of the options is there and on."""
        last = self._last(*names)
        return last is not None and not last.off

    def off(self, *names: str) -> bool:
        """Whether the option is there as its `--no-x` half."""
        last = self._last(*names)
        return last is not None and last.off

    def says(self, variable: str) -> bool:
        """Whether an environment variable says yes."""
        return self.env.get(variable, "").lower() in {"1", "true", "yes", "y", "on"}

    @property
    def model_name(self) -> str:
        """The model as it is named."""
        return self.text("--model-path", "--model") or (self.line.positional[0][1] if self.line.positional else "")

    @property
    def fp8(self) -> bool:
        """Whether the model's name says that its experts are in FP8 blocks."""
        return "fp8" in self.model_name.lower()


def tp(v: Values) -> int:
    """The tensor parallel size."""
    return v.size("--tp-size", "--tensor-parallel-size")


def pp(v: Values) -> int:
    """The number of pipeline stages."""
    return v.size("--pp-size", "--pipeline-parallel-size")
