"""Writing: nothing of the user's is lost, and an older bundle of ours is replaced whole."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from glmdeploy.bundle import MANIFEST, Artifact, Bundle
from glmdeploy.diagnostics import WriteError

if TYPE_CHECKING:
    from pathlib import Path

FIRST = Bundle((Artifact("a.txt", "a\n"), Artifact("sub/b.sh", "b\n", executable=True)))
SECOND = Bundle((Artifact("a.txt", "A\n"),))


def _tree(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_files_modes_and_manifest(tmp_path: Path) -> None:
    out = tmp_path / "new/out"
    assert FIRST.write(out) == ("a.txt", "sub/b.sh", MANIFEST)
    assert os.access(out / "sub/b.sh", os.X_OK)
    assert not os.access(out / "a.txt", os.X_OK)
    assert sorted(json.loads((out / MANIFEST).read_text())["files"]) == ["a.txt", "sub/b.sh"]


def test_writing_twice_changes_nothing(tmp_path: Path) -> None:
    FIRST.write(tmp_path)
    before = _tree(tmp_path)
    FIRST.write(tmp_path)
    assert _tree(tmp_path) == before


def test_an_older_bundle_leaves_nothing_behind(tmp_path: Path) -> None:
    FIRST.write(tmp_path)
    (tmp_path / "mine.txt").write_text("mine\n")
    SECOND.write(tmp_path)
    assert sorted(_tree(tmp_path)) == [MANIFEST, "a.txt", "mine.txt"]
    assert not (tmp_path / "sub").exists()


@pytest.mark.parametrize("path", ["a.txt", "sub/b.sh"])
def test_an_edited_file_stops_everything(tmp_path: Path, path: str) -> None:
    FIRST.write(tmp_path)
    (tmp_path / path).write_text("edited\n")
    before = _tree(tmp_path)
    with pytest.raises(WriteError) as caught:
        SECOND.write(tmp_path)
    assert caught.value.clobber
    assert _tree(tmp_path) == before


def test_a_foreign_file_stops_everything_even_with_our_manifest_gone(tmp_path: Path) -> None:
    FIRST.write(tmp_path)
    (tmp_path / MANIFEST).unlink()
    with pytest.raises(WriteError):
        SECOND.write(tmp_path)
    assert (tmp_path / "a.txt").read_text() == "a\n"


def test_a_foreign_manifest_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text("{}\n")
    with pytest.raises(WriteError):
        FIRST.write(tmp_path)
    assert _tree(tmp_path) == {MANIFEST: "{}\n"}


def test_force_overwrites(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("mine\n")
    FIRST.write(tmp_path, force=True)
    assert (tmp_path / "a.txt").read_text() == "a\n"


@pytest.mark.parametrize("force", [False, True], ids=["plain", "force"])
def test_nothing_is_written_through_a_link(tmp_path: Path, force: bool) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    out = tmp_path / "out"
    out.mkdir()
    (out / "sub").symlink_to(outside)
    with pytest.raises(WriteError):
        FIRST.write(out, force=force)
    assert list(outside.iterdir()) == []


def test_a_manifest_that_points_outside_deletes_nothing(tmp_path: Path) -> None:
    victim = tmp_path / "victim.txt"
    victim.write_text("v\n")
    out = tmp_path / "out"
    FIRST.write(out)
    manifest = json.loads((out / MANIFEST).read_text())
    import hashlib  # noqa: PLC0415  only here

    manifest["files"]["../victim.txt"] = hashlib.sha256(b"v\n").hexdigest()
    (out / MANIFEST).write_text(json.dumps(manifest))
    SECOND.write(out)
    assert victim.read_text() == "v\n"


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"format": "glmdeploy-bundle/v1"}', '{"format": "glmdeploy-bundle/v1", "files": [1]}', "[" * 100_000],
)
def test_a_broken_manifest_is_foreign(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(WriteError) as caught:
        FIRST.write(tmp_path)
    assert caught.value.clobber


def test_a_folder_where_a_file_goes_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(WriteError) as caught:
        FIRST.write(tmp_path, force=True)
    assert "is not a file" in caught.value.diagnostics[0].message


def test_a_failure_leaves_no_temporary_file_and_no_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "x")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(WriteError) as caught:
        FIRST.write(tmp_path / "out")
    assert (caught.value.clobber, caught.value.diagnostics[0].code) == (False, "GLM508")
    assert list(tmp_path.iterdir()) == []
