"""Building a framework's command line, environment and secret references."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from glmdeploy.process import Hole, SecretRef, Slot

if TYPE_CHECKING:
    from glmdeploy.plan import Plan
    from glmdeploy.process import Word
    from glmdeploy.spec import Spec

LEADER_PORT = 20000
CLAIM_PATH = "/models"


def model_word(spec: Spec) -> str:
    """The model as the command line names it: a repository of the hub, or a folder."""
    if spec.weights.hub:
        return spec.weights.hub
    if spec.weights.claim or spec.weights.oci:
        return CLAIM_PATH
    return spec.weights.path


@dataclass
class Command:
    """A command line under construction; options by neutral name, so that versions choose the spelling."""

    spec: Spec
    words: list[Word]

    def add(self, flag: str, *values: str | float | Hole) -> Command:
        """Append the option for ``flag`` and its values."""
        self.words.append(self.spec.framework.option(flag, self.spec.version))
        self.words += [v if isinstance(v, Hole) else str(v) for v in values]
        return self

    def add_if(self, wanted: object, flag: str, *values: str | float | Hole) -> Command:
        """As ``add`` when ``wanted`` is true."""
        return self.add(flag, *values) if wanted else self

    def finish(self) -> tuple[Word, ...]:
        """The words, the user's own last: the last of two wins in both parsers."""
        return (*self.words, *self.spec.extra_args)


def environment(spec: Spec, own: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """The framework's variables and then the user's, sorted; the user's win (GLM418 guards the plan's own)."""
    return tuple(sorted({**own, **dict(spec.env)}.items()))


def offline(spec: Spec) -> dict[str, str]:
    """Keeps the hub client from asking the network when the weights are local."""
    return {} if spec.weights.hub else {"HF_HUB_OFFLINE": "1"}


def thinking_kwargs(plan: Plan) -> str:
    """The chat template's arguments for thinking, JSON; empty where its own defaults are meant: effort max, cleared."""
    arguments: dict[str, str | bool] = {}
    if plan.thinking == "high":
        arguments["reasoning_effort"] = "high"
    if plan.thinking == "off":
        arguments["enable_thinking"] = False
    if plan.spec.preserve_thinking:
        arguments["clear_thinking"] = False
    return json.dumps(arguments, separators=(",", ":")) if arguments else ""


def secrets(spec: Spec, api_key_variable: str) -> tuple[SecretRef, ...]:
    """References to the secrets that the profile names."""
    refs = []
    if spec.api_key_secret:
        refs.append(SecretRef(api_key_variable, spec.api_key_secret, "api-key"))
    if spec.hub_token_secret and spec.weights.hub:
        refs.append(SecretRef("HF_TOKEN", spec.hub_token_secret, "token"))
    return tuple(refs)


def role(plan: Plan, rank: int) -> str:
    """``server`` for a single rank, else ``leader`` or ``worker``."""
    if plan.layout.nodes == 1:
        return "server"
    return "leader" if rank == 0 else "worker"


HOST = Hole(Slot.HOST)
PORT = Hole(Slot.PORT)
RANK = Hole(Slot.RANK)
API_KEY = Hole(Slot.API_KEY)
