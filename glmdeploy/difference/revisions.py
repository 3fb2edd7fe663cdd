"""Files as they stood in a revision of a git repository, through the real git.

No word of the user's becomes a word of git's command line: names of revisions and paths go to `git cat-file --batch` on
its standard input, so that none can be taken for an option, and no filter of the repository is run on what comes back.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from glmdeploy.diagnostics import Diagnostic, ProfileError, Span, printable
from glmdeploy.source import controls

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS = 120  # a partial clone fetches what it lacks; more than this is a connection that hangs
_YAML = (".yaml", ".yml")


@dataclass(frozen=True)
class Blob:
    """What stands at a path: ``blob`` or ``tree``, and the bytes of a file."""

    kind: str
    data: bytes


def split(text: str) -> tuple[str, str]:
    """The path and the revision of ``PATH@REV``; a path alone has no revision.

    What exists as it is written is a path. Otherwise the first `@` counts behind which the path before it exists, or
    ends like a profile: revisions hold `@` as well (`HEAD@{1}`).
    """
    places = [i for i, c in enumerate(text) if c == "@" and i]
    if not places or _exists(text):
        return text, ""
    likely = [i for i in places if _exists(text[:i])] + [i for i in places if text[:i].endswith(_YAML)]
    at = (likely or places)[0]
    if not text[at + 1 :]:
        raise _refused("GLM046", f"no revision stands behind the `@` of `{text}`", text, "such as `prod.yaml@main`")
    return text[:at], text[at + 1 :]


def _exists(path: str) -> bool:
    return os.path.exists(path)  # noqa: PTH110  unlike Path, it answers False where permission is missing


class Revision:
    """One revision of the repository that a path stands in; ProfileError with GLM040 to GLM047 when it cannot be read."""

    def __init__(self, path: str, rev: str) -> None:
        self.path = path
        self.rev = rev
        self.name = f"{path}@{rev}"
        if bad := controls(self.name):
            message = f"a control or bidirectional character is not allowed: {bad}"
            raise _refused("GLM014", message, printable(self.name))
        self._folder, self._start = _where(Path(path))
        shallow = self._run(["rev-parse", "--is-shallow-repository"], b"", "GLM041").strip() == b"true"
        self._commit = self._resolve(shallow=shallow)

    def read(self, *below: str) -> list[Blob | None]:
        """What stands at the path itself (an empty string) or at paths beside or below it; None where nothing does."""
        wanted = [os.path.normpath(os.path.join(self._start, name)) for name in below]  # noqa: PTH118  no such folder
        lines = [f"{self._commit}:./{'' if path == '.' else path}" for path in wanted]
        out = self._run(["cat-file", "--batch", "--follow-symlinks"], "\n".join([*lines, ""]).encode(), "GLM047")
        return _parsed(out, len(lines))

    def only(self) -> Blob:
        """What stands at the path itself; ProfileError with GLM043 when nothing does."""
        found = self.read("")[0]
        if found is None:
            hint = f"`git log --oneline --follow -- {self.path}` shows when it came, or under which name it was"
            message = f"`{self.path}` is not in revision `{self.rev}`"
            raise _refused("GLM043", message, self.name, hint)
        return found

    def above(self, name: str) -> str | None:
        """The path, from the file itself, to the nearest ``name`` in its folder or above it in the repository."""
        prefix = self._run(["rev-parse", "--show-prefix"], b"", "GLM041").decode(errors="replace").rstrip("\n")
        depth = len(Path(os.path.normpath(prefix + self._start)).parts)
        ways = ["../" * count + name for count in range(1, depth + 1)]
        found = zip(ways, self.read(*ways), strict=True)
        return next((way for way, blob in found if blob and blob.kind == "blob"), None)

    def _resolve(self, *, shallow: bool) -> str:
        out = self._run(["cat-file", "--batch-check"], f"{self.rev}^{{commit}}\n".encode(), "GLM047")
        oid, _, kind = out.decode(errors="replace").strip().partition(" ")
        if kind.startswith("commit "):
            return oid
        if shallow:
            message = f"revision `{self.rev}` is not in this shallow clone"
            hint = "`git fetch --unshallow`, or `fetch-depth: 0` where a CI job checks out"
            raise _refused("GLM044", message, self.name, hint)
        hint = "`git rev-parse --verify REV` tells whether git knows one; a branch of a remote is `origin/NAME`"
        raise _refused("GLM042", f"git knows no one revision `{self.rev}`", self.name, hint)

    def _run(self, words: Sequence[str], given: bytes, code: str) -> bytes:
        git = shutil.which("git")
        if git is None:
            raise _refused("GLM040", "git is not installed, or not on PATH", self.name)
        environment = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", **os.environ, "LC_ALL": "C"}
        try:
            done = subprocess.run(  # noqa: S603  constant words, no shell
                [git, *words],
                input=given,
                cwd=self._folder,
                env=environment,
                capture_output=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise _refused("GLM047", f"git gave no answer in {SECONDS} s", self.name) from None
        except OSError as error:
            raise _refused("GLM047", f"git cannot be run: {error.strerror or error}", self.name) from None
        if done.returncode or b"error: " in done.stderr:  # of a broken object, `cat-file` says that it is missing
            said = " ".join(done.stderr.decode(errors="replace").split())[:300]
            raise _refused(code, f"git cannot read the repository: {said}", self.name)
        return done.stdout


def _where(path: Path) -> tuple[str | None, str]:
    """Where git runs, and the path from there: beside the file, whose folder may be gone in the working tree.

    In a hook, GIT_DIR may be relative to the folder that git started it in; then git runs there.
    """
    if "GIT_DIR" in os.environ:
        return None, os.path.relpath(path)
    folder = path.parent
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return str(folder), os.path.relpath(path, folder)


def _parsed(out: bytes, count: int) -> list[Blob | None]:
    """The answers of `git cat-file --batch`, one for each line that was asked."""
    found: list[Blob | None] = []
    at = 0
    while len(found) < count:
        end = out.index(b"\n", at)
        head = out[at:end].rsplit(b" ", 2)
        at = end + 1
        if head[-1] in {b"missing", b"ambiguous"} or not head[-1].isdigit():
            found.append(None)
            continue
        size = int(head[-1])
        kind = head[-2].decode(errors="replace") if len(head) > 2 else ""  # noqa: PLR2004  `symlink 12`: out of the repository
        found.append(Blob(kind, out[at : at + size]) if kind in {"blob", "tree"} else None)
        at += size + 1
    return found


def _refused(code: str, message: str, place: str, hint: str = "") -> ProfileError:
    return ProfileError([Diagnostic(code, message, span=Span(place), hint=hint)])
