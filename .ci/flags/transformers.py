"""The options of `transformers serve`, read from released wheels: the source is parsed, never imported.

    python .ci/flags/transformers.py                            every release anew
    python .ci/flags/transformers.py --version V --date DAY     these releases only, into the file
    python .ci/flags/transformers.py --version V --check        these against the file: exit status 1 on a difference

The command is one class whose parameters typer turns into options: `name: Annotated[type, typer.Option(...)]`.
Whatever this file cannot work out stops it: nothing is guessed or left out.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from common import Option, arguments, scratch, unpack, update

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSIONS = (
    "5.9.0",
    "5.10.1",
    "5.11.0",
    "5.12.0",
    "5.12.1",
    "5.13.0",
    "5.14.0",
    "5.15.0",
    "5.16.0",
    "5.17.0",
    "5.18.0",
    "5.19.0",
    "5.20.0",
    "5.21.0",
    "5.22.0",
    "5.23.0",
)
COMMAND = "transformers/cli/serve.py"
KINDS = {"bool": "flag", "int": "int", "float": "float", "str": "str"}
WITHOUT_EFFECT = {"help", "hidden"}  # arguments of typer.Option that do not change what is accepted


class UnreadableError(ValueError):
    """The source says something this file does not understand."""


def options(tree: ast.Module) -> list[Option]:
    """What the command accepts, apart from help and the positional model."""
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    start = next(n for n in classes["Serve"].body if isinstance(n, ast.FunctionDef) and n.name == "__init__")
    choices = {name: tuple(_values(node)) for name, node in classes.items() if _is_enumeration(node)}
    as_json = set(_read_as_json(start))
    parameters = [*start.args.args[1:], *start.args.kwonlyargs]  # the first is self
    found = (_option(parameter, choices, as_json=parameter.arg in as_json) for parameter in parameters)
    return [option for option in found if option]


def _option(parameter: ast.arg, choices: dict[str, tuple[str, ...]], *, as_json: bool) -> Option | None:
    match parameter.annotation:
        case ast.Subscript(
            value=ast.Name(id="Annotated"),
            slice=ast.Tuple(elts=[kind, ast.Call(func=ast.Attribute(attr=attribute)) as call]),
        ):
            pass
        case _:
            raise UnreadableError(f"parameter {parameter.arg} is not in the known form")
    if attribute == "Argument":
        return None
    if attribute != "Option" or call.args or any(keyword.arg not in WITHOUT_EFFECT for keyword in call.keywords):
        raise UnreadableError(f"cannot work out {ast.unparse(call)}")
    name, written = parameter.arg.replace("_", "-"), _type(kind)
    if written in choices:
        return Option((f"--{name}",), "str", choices[written])
    if written not in KINDS:
        raise UnreadableError(f"parameter {parameter.arg} has the unknown type {written}")
    if written == "bool":
        return Option((f"--{name}",), "flag", values="0", negative=f"--no-{name}")
    return Option((f"--{name}",), "json" if as_json else KINDS[written])


def _type(node: ast.expr) -> str:
    """The type that is written there, without its "or None"."""
    match node:
        case ast.BinOp(left=left, op=ast.BitOr(), right=ast.Constant(value=None)):
            return _type(left)
        case ast.Name(id=name):
            return name
    raise UnreadableError(f"cannot work out the type {ast.unparse(node)}")


def _is_enumeration(node: ast.ClassDef) -> bool:
    return any(ast.unparse(base).endswith("Enum") for base in node.bases)


def _values(node: ast.ClassDef) -> Iterator[str]:
    for member in node.body:
        match member:
            case ast.Assign(value=ast.Constant(value=str(value))):
                yield value


def _read_as_json(function: ast.FunctionDef) -> Iterator[str]:
    """The parameters whose text the function hands to json.loads."""
    for node in ast.walk(function):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="json"), attr="loads"), args=[ast.Name(id=name)]):
                yield name


def extract(wheel: Path) -> tuple[str, list[Option]]:
    """How this wheel was read, and its options."""
    with scratch() as folder:
        unpack(wheel, Path(folder), (COMMAND,))
        return "ast", options(ast.parse((Path(folder) / COMMAND).read_text(encoding="utf-8")))


def main() -> int:
    """The command line; exit status 1 if a comparison found a difference."""
    return update("transformers", VERSIONS, extract, arguments(str(__doc__)).parse_args())


if __name__ == "__main__":
    sys.exit(main())
