"""The options of `vllm serve`, read from released wheels by vLLM's own parser.

    python .ci/flags/vllm.py --python PY                every release anew
    python .ci/flags/vllm.py --version V --date DAY     these releases only, into the file
    python .ci/flags/vllm.py --version V --check        these against the file: exit status 1 on a difference

PY is the Python of an environment with vLLM's dependencies (one version of them serves all releases; no GPU, no
compiled extension): it imports the unpacked wheel and builds the real parser. Without it, the functions that add the
options are cut out of the source, together with the classes and names they use, and run without vLLM's other code
and without its dependencies; the record then says "ast". The wheel's sha256 is compared before anything runs.
The names of vLLM's own tool and reasoning parsers, which its server looks up later, are read from the source.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import copy
import dataclasses
import importlib
import json
import os
import re
import subprocess
import sys
import typing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from common import Option, arguments, scratch, unpack, update

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VERSIONS = (
    "0.23.0",
    "0.24.0",
    "0.25.0",
    "0.25.1",
    "0.26.0",
    "0.27.0",
    "0.27.1",
    "0.28.0",
    "0.29.0",
    "0.30.0",
    "0.31.0",
    "0.32.0",
    "0.33.0",
)
DEVICE = "cuda"  # as on the machines of the catalogue: one option's choices name the device

# vLLM's functions that turn one word into a value, by what they accept.
KINDS = {
    "int": "int",
    "human_readable_int": "int-case",
    "human_readable_int_or_auto": "int-case-auto",
    "float": "float",
    "loads": "json",
    "parse_dataclass": "json",
    "str": "str",
    "union_dict_and_str": "str",
    "parse_reasoning_parser": "str",
    "<lambda>": "str",
}
# Words that one of them takes beside the names of `REGISTERED`.
WORDS = {"parse_reasoning_parser": ("none",)}
# What the parser takes any word for and the server looks up when it starts: the module and its table of the names.
REGISTERED = {
    "--tool-call-parser": ("vllm.tool_parsers", "_TOOL_PARSERS_TO_REGISTER"),
    "--reasoning-parser": ("vllm.reasoning", "_REASONING_PARSERS_TO_REGISTER"),
}
DEPRECATED = re.compile(r"(?:^|\n)\W*deprecated\b|\bis deprecated\b", re.IGNORECASE)
SUCCESSOR = re.compile(r"\buse `*(--[\w.-]*\w)", re.IGNORECASE)


def options(parser: argparse.ArgumentParser) -> list[Option]:
    """What the parser accepts, apart from help and the positional model.

    Newer releases accept `--disable-x` for `--no-enable-x`: that spelling becomes an option of its own.
    """
    found: list[Option] = []
    for action in parser._actions:  # noqa: SLF001  argparse has no public way
        names = [name for name, owner in parser._option_string_actions.items() if owner is action]  # noqa: SLF001
        if names and not isinstance(action, argparse._HelpAction):  # noqa: SLF001
            marked = action in getattr(parser, "_deprecated", ())  # `deprecated=True`, which came with Python 3.13
            found += _options(action, names, marked=marked or getattr(action, "deprecated", False))
    return found


def _options(action: argparse.Action, names: list[str], *, marked: bool) -> Iterator[Option]:
    off = set(getattr(action, "negative_option_strings", ()))
    if isinstance(action, argparse.BooleanOptionalAction):
        off |= {f"--no-{name[2:]}" for name in names}
    on = sorted((name for name in names if name not in off), key=lambda name: not name.startswith("--"))
    negative = f"--no-{on[0][2:]}"
    option = Option(
        names=tuple(on),
        kind="flag" if action.nargs == 0 else KINDS[_converter(action.type)],
        choices=tuple(str(c) for c in action.choices or () if c not in {None, "None"})
        + WORDS.get(_converter(action.type), ()),
        values="" if action.nargs is None else str(action.nargs),
        negative=negative if negative in names else "",
        deprecated=_deprecation(action.help or "", marked=marked),
        repeatable=isinstance(action, argparse._AppendAction | argparse._ExtendAction),  # noqa: SLF001
    )
    yield option
    for name in names:
        if name in off and name != negative:
            yield dataclasses.replace(option, names=(name,), negative="")


def _converter(function: Any) -> str:
    """The name of the innermost converter: vLLM wraps one in another for "or None" and for the error message."""
    while wrapped := _free(function).get("return_type"):
        function = wrapped
    return str(getattr(function, "__name__", "str"))


def _free(function: Any) -> dict[str, Any]:
    cells = getattr(function, "__closure__", None) or ()
    return (
        dict(zip(function.__code__.co_freevars, (cell.cell_contents for cell in cells), strict=True)) if cells else {}
    )


def _deprecation(text: str, *, marked: bool) -> str:
    if not marked and not DEPRECATED.search(text):
        return ""
    if successor := SUCCESSOR.search(text):
        return f"use {successor[1]}"
    return "no effect" if "no effect" in text else "yes"


def imported(python: str, root: Path) -> list[Option]:
    """The options, by the parser that interpreter ``python`` imports from ``root``."""
    environment = {
        **os.environ,
        "CUDA_VISIBLE_DEVICES": "",
        "DO_NOT_TRACK": "1",
        "VLLM_CACHE_ROOT": str(root / "cache"),
        "VLLM_CONFIG_ROOT": str(root / "cache"),
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_PLUGINS": "",
    }
    command = [python, __file__, "--probe", str(root)]
    done = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE)  # noqa: S603
    return [
        Option(**{**fields, "names": tuple(fields["names"]), "choices": tuple(fields["choices"])})
        for fields in json.loads(done.stdout.splitlines()[-1])
    ]


def probe(root: Path) -> None:
    """In the other interpreter: build the real parser and print its options as one line of JSON."""
    sys.path[0] = str(root)  # was this folder, where `vllm` is this file
    sys.argv[1:] = ["--help"]  # else vLLM saves itself the help texts
    importlib.import_module("vllm.platforms").current_platform.device_type = DEVICE
    utilities = importlib.import_module("vllm.utils.argparse_utils")
    parser = utilities.FlexibleArgumentParser(prog="vllm serve")
    importlib.import_module(command_line(root)).make_arg_parser(parser)
    print(json.dumps([dataclasses.asdict(option) for option in options(parser)]))


def command_line(root: Path) -> str:
    """The module that has the options of the server, which has moved: where `vllm serve` imports it from."""
    tree = ast.parse((root / "vllm/entrypoints/cli/serve.py").read_text(encoding="utf-8"))
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    return next(str(node.module) for node in imports if any(name.name == "make_arg_parser" for name in node.names))


class _Unknown(type):
    """Lets a class take any attribute, subscript and call, and be empty when it is iterated over."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return cls

    def __getitem__(cls, item: Any) -> Any:
        return item

    def __call__(cls, *_: Any, **__: Any) -> Any:
        return cls

    def __iter__(cls) -> Iterator[Any]:
        return iter(())


class Unknown(metaclass=_Unknown):
    """Stands for whatever is not needed; as a type it is one that vLLM reads as text. ``Unknown[T]`` is ``T``."""


class Platform(Unknown):
    """Stands for the platform that vLLM detects."""

    device_type: ClassVar[str] = DEVICE


class Trim(ast.NodeTransformer):
    """Takes away what would need another module when a definition is run: imports and the types of parameters."""

    def visit_Import(self, node: ast.Import) -> ast.Pass:
        """An import inside a function: `Module` finds the name instead."""
        return ast.copy_location(ast.Pass(), node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.Pass:
        """As above."""
        return ast.copy_location(ast.Pass(), node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """A function without annotations."""
        self.generic_visit(node)
        node.returns = None
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        """A parameter without annotation."""
        node.annotation = None
        return node


class Module(dict[str, Any]):
    """The global names of one module of an unpacked wheel, each made from its source when it is first used.

    Functions and plain classes are run only in the files that build the parser. Elsewhere a configuration class keeps
    its fields and the docstrings after them, a kind of dictionary stays one, and what is not a value is `Unknown`.
    """

    given: ClassVar[dict[str, Any]] = {"current_platform": Platform, "NEEDS_HELP": True}

    def __init__(self, name: str, modules: Modules) -> None:
        super().__init__(__name__=name, get_attr_docs=attribute_docs, **self.given)
        self._modules = modules
        self._nodes = definitions(modules.tree(name))
        self._runs = name in modules.runs
        self._making: set[str] = set()

    def __missing__(self, name: str) -> Any:
        if name not in self._nodes and hasattr(builtins, name):
            raise KeyError(name)
        if name in self._making:  # two classes that name each other
            return Unknown
        node = self._nodes.get(name) or self._nodes.get("*")
        if node is None:
            raise NameError(f"{self['__name__']} does not define {name}")
        self._making.add(name)
        self[name] = self._make(name, node)
        return self[name]

    def _make(self, name: str, node: ast.stmt) -> Any:
        match node:
            case ast.Import() | ast.ImportFrom():
                return self._modules.imported(name, node, self["__name__"])
            case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
                return self.value(value)
            case ast.ClassDef() if _is_record(node):
                return self._record(node)
            case ast.ClassDef() | ast.FunctionDef() if self._runs:
                return self._run(node)
            case ast.ClassDef(bases=[ast.Name(id="dict") | ast.Subscript(value=ast.Name(id="dict")), *_]):
                return type(name, (dict,), {})
        return Unknown

    def value(self, node: ast.expr) -> Any:
        """The value of an expression."""
        return eval(compile(ast.Expression(node), self["__name__"], "eval", dont_inherit=True), self, self)  # noqa: S307

    def _record(self, node: ast.ClassDef) -> Any:
        """A configuration class: its fields, and its methods in the files that build the parser."""
        bare = copy.copy(node)
        bare.keywords, bare.decorator_list, bare.body = [], [], list(self._members(node))
        made = self._run(bare)
        made.__field_docs__ = dict(_docs(node))
        return dataclasses.dataclass(made)

    def _members(self, node: ast.ClassDef) -> Iterator[ast.stmt]:
        for member in node.body:
            match member:
                case ast.AnnAssign(target=target, annotation=ast.Constant(value=str(quoted))):
                    yield ast.AnnAssign(target, ast.parse(quoted, mode="eval").body, ast.Constant(None), 1)
                case ast.AnnAssign(target=target, annotation=annotation):
                    yield ast.AnnAssign(target, annotation, ast.Constant(None), 1)
                case ast.FunctionDef() if self._runs:
                    yield member
        yield ast.Pass()

    def _run(self, node: ast.ClassDef | ast.FunctionDef) -> Any:
        """Run one definition; a class body looks its names up differently, so they are made before."""
        node = Trim().visit(node)
        if isinstance(node, ast.ClassDef):
            for name in _names(node):
                if name in self._nodes:
                    self[name]  # made by being looked up
        module = ast.fix_missing_locations(ast.Module([node], []))
        exec(compile(module, self["__name__"], "exec", dont_inherit=True), self, self)  # noqa: S102
        return self[node.name]


class Modules(dict[str, Module]):
    """The modules of an unpacked wheel."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root
        self.command_line = command_line(root)
        self.runs = {self.command_line, "vllm.engine.arg_utils", "vllm.utils.argparse_utils"}

    def __missing__(self, name: str) -> Module:
        self[name] = Module(name, self)
        return self[name]

    def _file(self, name: str) -> Path | None:
        path = self._root.joinpath(*name.split("."))
        return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)

    def _source(self, node: ast.ImportFrom, importer: str) -> str:
        """The full name of the module that is imported from."""
        file = self._file(importer)
        up = node.level - 1 if file and file.stem == "__init__" else node.level
        packages = importer.split(".")[: -up or None] if node.level else []
        return ".".join([*packages, *filter(None, [node.module])])

    def tree(self, name: str) -> ast.Module:
        """The source of a module."""
        file = self._file(name)
        if file is None:
            raise NameError(f"the wheel has no module {name}")
        return ast.parse(file.read_text(encoding="utf-8"))

    def imported(self, name: str, node: ast.Import | ast.ImportFrom, importer: str) -> Any:
        """What an import binds ``name`` to: vLLM's own or the standard library's, else unknown."""
        alias = next(a for a in node.names if (a.asname or a.name.partition(".")[0]) in {name, "*"})
        source = alias.name if isinstance(node, ast.Import) else self._source(node, importer)
        top = source.partition(".")[0]
        if top in sys.stdlib_module_names:
            module = importlib.import_module(source)
            return module if isinstance(node, ast.Import) else getattr(module, alias.name)
        if top == "typing_extensions":
            return getattr(typing, alias.name, Unknown)
        if top != "vllm" or isinstance(node, ast.Import) or self._file(f"{source}.{alias.name}"):
            return Unknown
        return self[source][name if alias.name == "*" else alias.name]


def definitions(tree: ast.Module) -> dict[str, ast.stmt]:
    """The statements that define the global names, and the imports inside functions; of two, the first counts."""
    found: dict[str, ast.stmt] = {}
    nested = (node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom))
    for node in (*_statements(tree.body), *nested):
        match node:
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                for alias in names:
                    found.setdefault(alias.asname or alias.name.partition(".")[0], node)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found.setdefault(name, node)
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                found.setdefault(name, node)
    return found


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=orelse):
                yield from _statements(orelse)
            case ast.If(body=first, orelse=second) | ast.Try(body=first, orelse=second):
                yield from _statements((*first, *second))
            case _:
                yield node


def _is_record(node: ast.ClassDef) -> bool:
    names = (d.func if isinstance(d, ast.Call) else d for d in node.decorator_list)
    return any(isinstance(name, ast.Name) and name.id in {"config", "dataclass"} for name in names)


def _names(node: ast.AST) -> Iterator[str]:
    """The names an expression or a class body looks up, those inside its functions left out."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Name):
            yield child.id
        if isinstance(node, ast.FunctionDef) and child in node.body:
            continue
        yield from _names(child)


def _docs(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for member, after in zip(node.body, node.body[1:], strict=False):
        match member, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, text


def attribute_docs(cls: type) -> dict[str, str]:
    """The docstrings after the fields of a configuration class."""
    return {name: text for base in reversed(cls.__mro__) for name, text in vars(base).get("__field_docs__", {}).items()}


def assembled(root: Path) -> list[Option]:
    """The options, by the parts of the source that build the parser."""
    modules = Modules(root)
    parser = modules["vllm.utils.argparse_utils"]["FlexibleArgumentParser"](prog="vllm serve")
    modules[modules.command_line]["make_arg_parser"](parser)
    return options(parser)


def registered(root: Path, found: list[Option]) -> list[Option]:
    """The options, those of `REGISTERED` with the names of vLLM's own tables as choices."""
    modules = Modules(root)
    return [dataclasses.replace(option, choices=_choices(modules, option)) for option in found]


def _choices(modules: Modules, option: Option) -> tuple[str, ...]:
    if option.names[0] not in REGISTERED:
        return option.choices
    module, table = REGISTERED[option.names[0]]
    return tuple(sorted({*option.choices, *modules[module][table]}))


def extract(python: str | None, wheel: Path) -> tuple[str, list[Option]]:
    """How this wheel was read, and its options."""
    with scratch() as folder:
        root = Path(folder)
        unpack(wheel, root)
        method, found = ("parser", imported(python, root)) if python else ("ast", assembled(root))
        return method, registered(root, found)


def main() -> int:
    """The command line; exit status 1 if a comparison found a difference."""
    if sys.argv[1:2] == ["--probe"]:
        probe(Path(sys.argv[2]))
        return 0
    parser = arguments(str(__doc__))
    parser.add_argument(
        "--python", default=os.environ.get("GLMDEPLOY_VLLM_PYTHON"), help="or GLMDEPLOY_VLLM_PYTHON; none for the parts"
    )
    asked = parser.parse_args()
    return update("vllm", VERSIONS, partial(extract, asked.python), asked)


if __name__ == "__main__":
    sys.exit(main())
