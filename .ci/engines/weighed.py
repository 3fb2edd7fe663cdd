"""What the weighing scripts of this folder share: real model classes on torch's meta device, in a pretended world.

Standard input is ``{"gpu": {"compute", "name", "memory"}, "questions": [...]}``. A question is ``{"argv", "env",
"rank"}``: a plan's own command line, and the rank of the world whose model is built from it. Its answer is ``{"ok",
"error", "classes", "layers", "built", "parameters", "buffers", "groups"}``: bytes of distinct tensors over the model and,
where the command line asks for one, its draft model, after the engine's own sharing between the two. ``built`` are the
parameters while they are loaded, ``parameters`` what they become (see CHANGES), ``groups`` these by name, layer numbers
left out. GLMDEPLOY_CONFIGS names the folder of configurations.

What is the engine's own: its argument parser, configuration, rank arithmetic, quantisation and every layer's
constructor. What is pretended: the GPU's properties, process groups (torch's fake backend) and compiled kernels, which
building calls rarely and never for a size. Whatever a framework prints goes to standard error.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import json
import os
import re
import sys
import traceback
from collections import Counter
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import torch

    # The model and its draft model, and the layers that the model holds.
    Build = Callable[[list[str], int], tuple[Sequence[torch.nn.Module], tuple[int, int]]]

# Quantisation methods that hold a weight in another type once it is loaded, by code that takes no kernel.
CHANGES = frozenset({"W4AFp8MoEMethod"})
PIECES = re.compile(r"\.\d+(?=\.|$)")


@dataclass(frozen=True)
class Gpu:
    """The GPU that is pretended: ``sm90`` or ``gfx950``, a name, and bytes of memory."""

    compute: str
    name: str
    memory: int

    @property
    def amd(self) -> bool:
        """Whether it is AMD's."""
        return self.compute.startswith("gfx")

    @property
    def capability(self) -> tuple[int, int]:
        """(9, 0) of sm90, (10, 3) of sm103, (9, 5) of gfx950."""
        digits = self.compute.lstrip("smgfx")
        return (int(digits[0]), int(digits[1])) if self.amd else (int(digits[:-1]), int(digits[-1]))


class Nothing:
    """A value that stands for anything in a package that is not here: called, indexed or inherited from as well."""

    def __init__(self, name: str = "", *_: Any, **__: Any) -> None:
        self.__name__ = self.__qualname__ = name
        self.__doc__ = ""

    def __call__(self, *values: Any, **named: Any) -> Any:
        """As a decorator, what it decorates; else itself."""
        decorates = len(values) == 1 and not named and callable(values[0]) and not isinstance(values[0], Nothing)
        return values[0] if decorates else self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Nothing(name)

    def __getitem__(self, key: object) -> Nothing:
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __bool__(self) -> bool:
        return False

    def __int__(self) -> int:
        return 0

    __index__ = __int__

    def __or__(self, other: object) -> Any:
        return other

    __ror__ = __or__

    def __ge__(self, other: object) -> bool:
        return True

    __gt__ = __ge__


class StandIn(ModuleType):
    """A module that holds any public name: a class for a capital letter, Nothing else."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value: Any = type(name, (), {"__init__": lambda *_, **__: None}) if name[0].isupper() else Nothing(name)
        setattr(self, name, value)
        return value


class StandIns(MetaPathFinder, Loader):
    """Gives stand-ins for packages, and whatever is below them, that are compiled for a GPU or not installed."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:  # noqa: ARG002  import's own
        """Take what has one of the names, or is below it."""
        if any(name == n or name.startswith(f"{n}.") for n in self.names):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """A package that says it is newer than any requirement."""
        module = StandIn(spec.name)
        module.__dict__.update(__path__=[], __file__=os.devnull, __version__="99.0.0")
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run."""


def pretended_cuda(gpu: Gpu) -> None:
    """Let torch say that eight of these GPUs are here; nothing may be allocated on them."""
    import torch  # noqa: PLC0415  it takes seconds, and stdin is read before

    # before they look for a GPU themselves
    for module in ("torch._dynamo", "torch._inductor.utils"):
        importlib.import_module(module)
    properties = Nothing("properties")
    vars(properties).update(
        zip(("major", "minor"), gpu.capability, strict=True),
        name=gpu.name,
        total_memory=gpu.memory,
        multi_processor_count=132,
        gcnArchName=gpu.compute if gpu.amd else "",
        warp_size=64 if gpu.amd else 32,
        shared_memory_per_block_optin=232_448,
        is_integrated=False,
    )
    torch.version.cuda, torch.version.hip = (None, "7.0.0") if gpu.amd else ("13.0", None)  # type: ignore[assignment]
    answers: dict[str, Any] = {
        "is_available": True,
        "device_count": 8,
        "current_device": 0,
        "get_device_capability": gpu.capability,
        "get_device_name": gpu.name,
        "get_device_properties": properties,
        "mem_get_info": (gpu.memory, gpu.memory),
        **dict.fromkeys(("set_device", "empty_cache", "synchronize", "current_stream")),
    }
    for name, value in answers.items():
        setattr(torch.cuda, name, lambda *_, _value=value, **__: _value)
    for name in ("Stream", "Event"):
        setattr(torch.cuda, name, type(name, (Nothing,), {"__init__": lambda *_, **__: None}))
    torch.accelerator.empty_cache = lambda: None
    importlib.import_module("torch.fx.experimental._config").meta_nonzero_assume_all_nonzero = True  # maps of experts


def world(rank: int, size: int) -> None:
    """Join a world of ``size`` processes that are not there."""
    import torch.distributed as dist  # noqa: PLC0415
    from torch.testing._internal.distributed.fake_pg import FakeStore  # noqa: PLC0415

    dist.init_process_group("fake", rank=rank, world_size=size, store=FakeStore())


def members(rank: int, groups: Iterable[Sequence[int]], local_rank: int) -> dict[str, Any]:
    """The attributes of both engines' group coordinators, for the one of ``groups`` that holds ``rank``."""
    import torch  # noqa: PLC0415

    mine = next(list(group) for group in groups if rank in group)
    process_group = torch.distributed.new_group(mine, backend="fake")
    return {
        "device_group": process_group,
        "cpu_group": process_group,
        "rank": rank,
        "local_rank": local_rank,
        "ranks": mine,
        "world_size": len(mine),
        "rank_in_group": mine.index(rank),
        "device": torch.device("meta"),
    }


@contextlib.contextmanager
def on_meta() -> Iterator[None]:
    """Make every tensor without storage, in BF16 unless its maker says otherwise; what is asked for on a GPU, too."""
    import torch  # noqa: PLC0415
    from torch.overrides import TorchFunctionMode  # noqa: PLC0415

    def moved(value: Any) -> Any:
        on_gpu = isinstance(value, str | torch.device) and str(value).startswith("cuda")
        return torch.device("meta") if on_gpu else value

    class Redirect(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            name = getattr(function, "__name__", "")
            if name in {"cuda", "item"}:  # no tensor here has a value
                return args[0].to("meta") if name == "cuda" else 0
            named = {name: moved(value) for name, value in (kwargs or {}).items()}
            return function(*map(moved, args), **named)

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device("meta"), Redirect():
            yield
    finally:
        torch.set_default_dtype(before)


def weigh(models: Iterable[torch.nn.Module]) -> dict[str, Any]:
    """Bytes of distinct parameters and buffers, and of the parameters by name."""
    seen: set[int] = set()
    groups: Counter[str] = Counter()
    buffers = 0
    for model in models:
        for name, tensor in model.named_parameters(remove_duplicate=False):
            if id(tensor) not in seen:
                seen.add(id(tensor))
                groups[f"{PIECES.sub('', name)} {str(tensor.dtype).removeprefix('torch.')}"] += tensor.nbytes
        for _, tensor in model.named_buffers(remove_duplicate=False):
            if id(tensor) not in seen:
                seen.add(id(tensor))
                buffers += tensor.nbytes
    return {"parameters": sum(groups.values()), "buffers": buffers, "groups": dict(groups.most_common())}


def answer(question: dict[str, Any], build: Build) -> dict[str, object]:
    """One answer."""
    try:
        models, layers = build(question["argv"], question["rank"])
        classes = [f"{type(model).__module__}.{type(model).__name__}" for model in models]
        built = weigh(models)["parameters"]
        with on_meta():
            for module in (module for model in models for module in model.modules()):
                if type(method := getattr(module, "quant_method", None)).__name__ in CHANGES:
                    method.process_weights_after_loading(module)
        return {"ok": True, "error": "", "classes": classes, "layers": layers, "built": built, **weigh(models)}
    except (Exception, SystemExit) as error:  # noqa: BLE001  whatever a framework raises is its refusal
        traceback.print_exc()
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{'/'.join(place.filename.split('/')[-3:])}:{place.lineno}"
        return {"ok": False, "error": f"{type(error).__name__}: {str(error)[:500]} ({where})"}


def in_child(question: dict[str, Any], build: Build) -> dict[str, object]:
    """One answer from a process of its own: a world is joined once, and engines keep what they have read."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.environ.update(question["env"])
        with os.fdopen(writing, "w") as out:
            json.dump(answer(question, build), out)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as given:
        text = given.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else {"ok": False, "error": "the process died"}


def serve(prepare: Callable[[Gpu], Build]) -> NoReturn:
    """Answer all questions; exit status 3 when the framework itself cannot be imported."""
    given = json.load(sys.stdin)
    out, sys.stdout = sys.stdout, sys.stderr
    os.environ.update({"CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"})
    # some variables are read when the framework is imported: set those that all questions agree on
    environments = [set(question["env"].items()) for question in given["questions"]]
    os.environ.update(dict(set.intersection(*environments)))
    try:
        build = prepare(Gpu(**given["gpu"]))
    except ImportError:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(3)
    json.dump([in_child(question, build) for question in given["questions"]], out)
    out.flush()
    os._exit(0)  # some frameworks leave threads behind
