"""SGLang's launch options, read from released wheels: the source is parsed, never imported.

Old releases do not import beside new ones, and none needs a GPU to be read. Two styles are understood: explicit
`parser.add_argument(...)` calls in `ServerArgs.add_cli_args`, and record fields `name: A[type, Arg(...)]`, which
SGLang turns into such calls itself. Whatever this file cannot work out stops it: nothing is guessed or left out.

    python .ci/flags/sglang.py                          every release of both files anew
    python .ci/flags/sglang.py --version V --date DAY   this release only, into the file
    python .ci/flags/sglang.py --version V --check      this release against the file: exit status 1 on a difference
    python .ci/flags/sglang.py --version V --parser PY  this release against the parser that interpreter PY imports

`--package sglang-kt` reads KTransformers' build of SGLang; both packages are imported as `sglang`. A new release is
added to PACKAGES first. The day a wheel was read is kept as long as the wheel stays the same, so that a second run
writes the same bytes.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import singledispatchmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import Option, arguments, download, scratch, unpack, update

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Package -> the framework whose file it fills, and the releases in it.
PACKAGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "sglang": (
        "sglang",
        (
            "0.5.13.post1",
            "0.5.14",
            "0.5.15",
            "0.5.15.post1",
            "0.5.16",
            "0.5.17",
            "0.5.18",
            "0.5.19",
            "0.5.20",
            "0.5.21",
            "0.5.22",
            "0.5.23",
        ),
    ),
    "sglang-kt": ("ktransformers", ("0.7.2",)),
}
SERVER_ARGS = "sglang.srt.server_args"

# The functions given as type=, by the kind of value they accept.
KINDS = {
    "str": "str",
    "nullable_str": "str",
    "parse_cuda_graph_backend_arg": "str",
    "int": "int",
    "human_readable_int": "int-iec",
    "float": "float",
    "loads": "json",
    "json_list_type": "json",
    "parse_cuda_graph_config_arg": "json",
}
BOOLEAN = "argparse.BooleanOptionalAction"
VALUES_OF_ACTION: dict[str, int | None] = {"store": None, "store_true": 0, BOOLEAN: 0}
DEPRECATED = re.compile(r"\W*deprecated\b", re.IGNORECASE)
SUCCESSOR = re.compile(r"\b(?:use|alias for) (--[\w-]++(?:=\w++)?+)(?! to\b)", re.IGNORECASE)

# Run by the interpreter of --parser: one line of JSON with what argparse holds.
PARSER = f"""
import argparse, json, sys
from importlib.metadata import version
from {SERVER_ARGS} import ServerArgs
parser = argparse.ArgumentParser(add_help=False)
ServerArgs.add_cli_args(parser)
print(json.dumps([version(sys.argv[1]), [
    [a.option_strings, a.nargs, getattr(a.type, "__name__", "str"), [c for c in a.choices or () if c is not None]]
    for a in parser._actions]]))
"""


class UnreadableError(ValueError):
    """The source says something this file does not understand."""


@dataclass(frozen=True)
class Import:
    """A name that another module defines."""

    module: str
    name: str


@dataclass(frozen=True)
class Member:
    """A member of an enumeration; its value has never been needed."""

    name: str


Scope = dict[str, "ast.AST | Import | Member"]
Keywords = dict[str, ast.expr]


def bindings(body: Iterable[ast.stmt]) -> Scope:
    """The names that these statements define, the last definition counting; a class stays one when it is wrapped."""
    scope: Scope = {}
    for statement in body:
        match statement:
            case ast.ImportFrom(module=str(module), names=names, level=0):
                scope.update({a.asname or a.name: Import(module, a.name) for a in names})
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if not isinstance(scope.get(name), ast.ClassDef):
                scope[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                scope[name] = value
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                scope[name] = statement
    return scope


class Source:
    """The modules of an unpacked wheel, and what their constant expressions come to.

    Collections all become lists and a mapping becomes its keys: choices need no more. Conditions are not followed,
    so that what the environment or a plug-in adds to a list is not seen.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._modules: dict[str, Scope] = {}

    def module(self, name: str) -> Scope:
        """The top-level names of a module."""
        if name not in self._modules:
            path = self._root.joinpath(*name.split("."))
            file = next((f for f in (path.with_suffix(".py"), path / "__init__.py") if f.is_file()), None)
            if file is None:
                raise UnreadableError(f"the wheel has no module {name}")
            self._modules[name] = bindings(ast.parse(file.read_text(encoding="utf-8")).body)
        return self._modules[name]

    def find(self, name: str, scope: Scope) -> tuple[ast.AST | Member, Scope]:
        """What a name stands for, and the names that are known there."""
        found = scope.get(name)
        if found is None:
            raise UnreadableError(f"{name} is not defined")
        if isinstance(found, Import):
            return self.find(found.name, self.module(found.module))
        return found, scope

    @singledispatchmethod
    def value(self, node: ast.AST, scope: Scope) -> Any:
        """The value of an expression."""
        raise UnreadableError(f"cannot work out {ast.unparse(node)}, with {len(scope)} names known")

    @value.register(ast.Constant)
    def _constant(self, node: ast.Constant, _: Scope) -> Any:
        return node.value

    @value.register(Member)
    def _member(self, node: Member, _: Scope) -> Member:
        return node

    @value.register(ast.List)
    @value.register(ast.Tuple)
    @value.register(ast.Set)
    def _collection(self, node: ast.List | ast.Tuple | ast.Set, scope: Scope) -> list[Any]:
        values: list[Any] = []
        for element in node.elts:
            match element:
                case ast.Starred(value=inner):
                    values += self.value(inner, scope)
                case _:
                    values.append(self.value(element, scope))
        return values

    @value.register(ast.Dict)
    def _mapping(self, node: ast.Dict, scope: Scope) -> list[Any]:
        return [self.value(key, scope) for key in node.keys]

    @value.register(ast.ClassDef)
    def _enumeration(self, node: ast.ClassDef, _: Scope) -> list[Member]:
        return [Member(name) for name, bound in bindings(node.body).items() if isinstance(bound, ast.expr)]

    @value.register(ast.Name)
    def _name(self, node: ast.Name, scope: Scope) -> Any:
        return self.value(*self.find(node.id, scope))

    @value.register(ast.BinOp)
    def _sum(self, node: ast.BinOp, scope: Scope) -> Any:
        if not isinstance(node.op, ast.Add):
            raise UnreadableError(f"cannot work out {ast.unparse(node)}")
        return self.value(node.left, scope) + self.value(node.right, scope)

    @value.register(ast.Attribute)
    def _attribute(self, node: ast.Attribute, scope: Scope) -> Any:
        if isinstance(node.value, ast.Name):
            owner, where = self.find(node.value.id, scope)
            if isinstance(owner, ast.ClassDef):
                inside = {**where, **bindings(owner.body)}
                return self.value(*self.find(node.attr, inside))
            if isinstance(owner, Member) and node.attr == "name":
                return owner.name
        raise UnreadableError(f"cannot work out {ast.unparse(node)}")

    @value.register(ast.ListComp)
    def _comprehension(self, node: ast.ListComp, scope: Scope) -> list[Any]:
        match node.generators:
            case [ast.comprehension(target=ast.Name(id=name), iter=items, ifs=[])]:
                return [self.value(node.elt, {**scope, name: item}) for item in self.value(items, scope)]
        raise UnreadableError(f"cannot work out {ast.unparse(node)}")

    @value.register(ast.Call)
    def _call(self, node: ast.Call, scope: Scope) -> Any:
        match node.func, node.args:
            case ast.Name(id="list" | "set" | "tuple" | "frozenset"), [inner]:
                return self.value(inner, scope)
            case ast.Attribute(value=inner, attr="keys"), []:
                return self.value(inner, scope)
            case ast.Attribute(value=inner, attr="lower"), []:
                return self.value(inner, scope).lower()
            case ast.Name(id=name), []:
                return self._returned(*self.find(name, scope))
        raise UnreadableError(f"cannot work out {ast.unparse(node)}")

    def _returned(self, function: ast.AST | Member, scope: Scope) -> Any:
        """What a function without arguments returns at its end."""
        match function:
            case ast.FunctionDef(body=[*_, ast.Return(value=ast.expr() as result)]):
                return self.value(result, {**scope, **bindings(function.body)})
        raise UnreadableError("a function that does not end with its result")


def options(root: Path) -> list[Option]:
    """The options of `sglang.launch_server` in an unpacked wheel."""
    source = Source(root)
    calls = [*fields(source), *registrations(source)]
    found = [o for names, keywords, scope in calls if (o := option(source, names, keywords, scope))]
    spelled = [name for o in found for name in (*o.names, *filter(None, [o.negative]))]
    if twice := sorted({name for name in spelled if spelled.count(name) > 1}):
        raise UnreadableError(f"found twice: {', '.join(twice)}")
    return found


Registration = tuple[list[str], Keywords, Scope]


def fields(source: Source) -> Iterator[Registration]:
    """The annotated fields of the records that make up `ServerArgs`, as the calls that SGLang makes of them."""
    for record, scope in _records(source):
        for name, annotation in _annotations(record).items():
            match annotation:
                case ast.Subscript(value=ast.Name(id="A"), slice=ast.Tuple(elts=[kind, *metadata])):
                    given = _metadata(metadata)
                    if given and not ("no_cli" in given and source.value(given["no_cli"], scope)):
                        yield _field_names(source, name, given, scope), _field_keywords(kind, given), scope


def _annotations(record: ast.ClassDef) -> Keywords:
    """The annotation of each field; of a field that is declared twice, the last."""
    declared = [statement for statement in record.body if isinstance(statement, ast.AnnAssign)]
    return {
        statement.target.id: statement.annotation for statement in declared if isinstance(statement.target, ast.Name)
    }


def _records(source: Source) -> Iterator[tuple[ast.ClassDef, Scope]]:
    """`ServerArgs`, and the namespaces it is put together from in newer releases."""
    scope = source.module(SERVER_ARGS)
    names = ["ServerArgs"]
    match scope.get("_INPUT_NAMESPACES"):
        case ast.List(elts=elements):
            names += [ast.unparse(element) for element in elements]
    for name in names:
        record, where = source.find(name, scope)
        if not isinstance(record, ast.ClassDef):
            raise UnreadableError(f"{name} is not a class")
        yield record, where


def _metadata(metadata: list[ast.expr]) -> Keywords:
    """The keywords of the first `Arg(...)`, or of a bare help text; empty if the field has neither."""
    for entry in metadata:
        match entry:
            case ast.Call(func=ast.Name(id="Arg"), args=[], keywords=keywords):
                return _named(keywords)
            case ast.Call():
                continue
            case _:
                return {"help": entry}
    return {}


def _named(keywords: list[ast.keyword]) -> Keywords:
    if any(k.arg is None for k in keywords):
        raise UnreadableError("keywords out of a mapping")
    return {k.arg: k.value for k in keywords if k.arg}


def _field_names(source: Source, name: str, given: Keywords, scope: Scope) -> list[str]:
    first = source.value(given["cli_name"], scope) if "cli_name" in given else "--" + name.replace("_", "-")
    aliases = source.value(given["aliases"], scope) if "aliases" in given else []
    return [first, *aliases]


def _field_keywords(kind: ast.expr, given: Keywords) -> Keywords:
    """What SGLang's `add_cli_args_from_dataclass` passes to `add_argument`, by the field's type."""
    common: Keywords = {key: given[key] for key in ("help", "choices", "nargs") if key in given}
    parser = given.get("type_parser")
    match _without_none(kind):
        case _ if "action" in given:
            return {"help": given.get("help", ast.Constant("")), "action": given["action"], **_action_keywords(given)}
        case ast.Subscript(value=ast.Name(id="Literal"), slice=literals):
            values = literals.elts if isinstance(literals, ast.Tuple) else [literals]
            made: Keywords = {"type": parser or _type_of(values[0]), "choices": ast.List(values)}
            return {**made, **common, "nargs": ast.Constant(None)}
        case ast.Subscript(value=ast.Name(id="List" | "list"), slice=element) if parser is None:
            return {"type": _type(element), "nargs": ast.Constant("+"), **common}
        case ast.Name(id="bool"):
            return {"help": given.get("help", ast.Constant("")), "action": ast.Constant("store_true")}
        case inner:
            return {"type": parser or _type(inner), **common}


def _without_none(kind: ast.expr) -> ast.expr:
    """X of `Optional[X]`, `Union[X, None]` and `X | None`; anything else as it is."""
    match kind:
        case ast.Subscript(value=ast.Name(id="Optional"), slice=inner):
            return inner
        case ast.Subscript(value=ast.Name(id="Union"), slice=ast.Tuple(elts=[inner, ast.Constant(value=None)])):
            return inner
        case ast.BinOp(left=inner, op=ast.BitOr(), right=ast.Constant(value=None)):
            return inner
    return kind


def _action_keywords(given: Keywords) -> Keywords:
    match given.get("action_kwargs"):
        case None:
            return {}
        case ast.Dict(keys=keys, values=values):
            return {
                str(key.value): value for key, value in zip(keys, values, strict=True) if isinstance(key, ast.Constant)
            }
    raise UnreadableError("action_kwargs is not written out")


def _type(kind: ast.expr) -> ast.Name:
    """The function argparse converts with: numbers with their own, everything else with str."""
    name = ast.unparse(kind)
    return ast.Name(name if name in {"int", "float"} else "str")


def _type_of(value: ast.expr) -> ast.Name:
    return _type(ast.Name(type(value.value).__name__ if isinstance(value, ast.Constant) else "str"))


def registrations(source: Source) -> Iterator[Registration]:
    """The explicit calls in `ServerArgs.add_cli_args`."""
    record, scope = source.find("ServerArgs", source.module(SERVER_ARGS))
    function = bindings(record.body).get("add_cli_args") if isinstance(record, ast.ClassDef) else None
    if not isinstance(function, ast.FunctionDef):
        raise UnreadableError("ServerArgs has no add_cli_args")
    inside = {**scope, **bindings(function.body)}
    for call in sorted((n for n in ast.walk(function) if isinstance(n, ast.Call)), key=lambda n: n.lineno):
        if isinstance(call.func, ast.Attribute) and call.func.attr == "add_argument":
            yield [source.value(name, inside) for name in call.args], _named(call.keywords), inside
        elif _hands_over_parser(call):
            raise UnreadableError(f"options are also registered by {ast.unparse(call.func)}")


def _hands_over_parser(call: ast.Call) -> bool:
    given = {argument.id for argument in call.args if isinstance(argument, ast.Name)}
    return "parser" in given and ast.unparse(call.func) != "add_cli_args_from_dataclass"


def option(source: Source, names: list[str], keywords: Keywords, scope: Scope) -> Option | None:
    """The option that an `add_argument` call makes, or None if its action does nothing but refuse it."""
    if "error_message" in keywords:
        return None
    action = _action(keywords)
    nargs = source.value(keywords["nargs"], scope) if "nargs" in keywords else _nargs(source, action, scope)
    choices = source.value(keywords["choices"], scope) if "choices" in keywords else []
    kind = ast.unparse(keywords["type"]) if "type" in keywords else "str"
    negative = f"--no-{names[0].removeprefix('--')}" if action == BOOLEAN else ""
    if negative and len(names) > 1:
        raise UnreadableError(f"{names[0]} has a --no- form for each of its names")
    return _option(names, nargs, kind, choices, negative=negative, deprecated=_deprecation(action, keywords))


def _option(
    names: list[str], nargs: int | str | None, kind: str, choices: list[Any], *, negative: str, deprecated: str
) -> Option:
    """The normal form of what argparse holds; the order of the choices means nothing, so they are sorted."""
    values = "" if nargs is None else str(nargs)
    if kind.rpartition(".")[2] not in KINDS:
        raise UnreadableError(f"{names[0]} is read by {kind}, of which KINDS says nothing")
    accepted = {choice for choice in choices if choice is not None}
    return Option(
        names=tuple(sorted(names, key=lambda name: not name.startswith("--"))),
        kind="flag" if values == "0" else KINDS[kind.rpartition(".")[2]],
        choices=tuple(str(choice) for choice in sorted(accepted, key=lambda c: (not isinstance(c, int), c))),
        values=values,
        negative=negative,
        deprecated=deprecated,
    )


def _action(keywords: Keywords) -> str:
    match keywords.get("action"):
        case None:
            return "store"
        case ast.Constant(value=str(name)):
            return name
        case node:
            return ast.unparse(node)


def _nargs(source: Source, action: str, scope: Scope) -> int | str | None:
    """How many values an action takes where the call does not say: for SGLang's own ones their class does."""
    if action in VALUES_OF_ACTION:
        return VALUES_OF_ACTION[action]
    found, where = source.find(action, scope)
    function = bindings(found.body).get("__init__") if isinstance(found, ast.ClassDef) else None
    if not isinstance(function, ast.FunctionDef):
        return None
    names = [argument.arg for argument in function.args.args]
    defaults = dict(zip(reversed(names), reversed(function.args.defaults), strict=False))
    return source.value(defaults["nargs"], where) if "nargs" in defaults else None


def _deprecation(action: str, keywords: Keywords) -> str:
    text = _text(keywords.get("help"))
    if not action.startswith("Deprecated") and not DEPRECATED.match(text):
        return ""
    mentioned = SUCCESSOR.search(text)
    successor = _text(keywords.get("new_flag")) or (mentioned[1] if mentioned else "")
    reasons = ["no effect"] if action == "DeprecatedAction" else []
    return ", ".join([*reasons, *([f"use {successor}"] if successor else [])]) or "yes"


def _text(node: ast.expr | None) -> str:
    """The literal parts of a text."""
    parts = ast.walk(node) if node else ()
    return "".join(part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str))


def imported(python: str, package: str, version: str) -> list[Option]:
    """The options of the parser that an interpreter with this release installed imports."""
    command = [python, "-P", "-c", PARSER, package]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603  ours
    installed, actions = json.loads(output.splitlines()[-1])
    if installed != version:
        raise SystemExit(f"{python} has {installed} installed")
    return [_imported(*action) for action in actions]


def _imported(names: list[str], nargs: int | str | None, kind: str, choices: list[Any]) -> Option:
    negative = next((n for n in names if f"--{n.removeprefix('--no-')}" in names), "")
    positive = [name for name in names if name != negative]
    return _option(positive, nargs, kind, choices, negative=negative, deprecated="")


def extract(wheel: Path) -> tuple[str, list[Option]]:
    """How this wheel was read, and its options."""
    with scratch() as folder:
        unpack(wheel, Path(folder))
        return "ast", options(Path(folder))


def compare(package: str, version: str, python: str) -> int:
    """Print what the wheel (`-`) and an imported parser (`+`) do not share; 1 if there is anything, else 0."""
    with scratch() as folder:
        _, table = extract(download(package, version, Path(folder)))
    static, real = {replace(o, deprecated="") for o in table}, set(imported(python, package, version))
    print(f"{version}: {len(static)} options in the wheel, {len(real)} in the parser")
    for sign, only in (("-", static - real), ("+", real - static)):
        for one in sorted(only, key=lambda o: o.names):
            print(f"{version} {sign} {one}")
    return int(static != real)


def main() -> int:
    """The command line; exit status 1 if a comparison found a difference."""
    parser = arguments(str(__doc__))
    parser.add_argument("--package", choices=PACKAGES, default="sglang", help="whose --version it is")
    parser.add_argument("--parser", metavar="PYTHON", help="compare with the parser that PYTHON imports, write nothing")
    asked = parser.parse_args()
    if asked.parser:
        return max(
            compare(asked.package, version, asked.parser)
            for version in asked.version or [PACKAGES[asked.package][1][-1]]
        )
    status = 0
    for package in [asked.package] if asked.version else PACKAGES:
        framework, versions = PACKAGES[package]
        status |= update(framework, versions, extract, asked, package)
    return status


if __name__ == "__main__":
    sys.exit(main())
