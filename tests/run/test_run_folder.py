"""The folder of a run as root makes it: none that another user owns, can write, or has replaced by a link."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orbitmesh.emulator.errors import HostError, InputError
from orbitmesh.emulator.run.folder import RunFolder

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give folders to another user")
NOBODY = 65534


@pytest.mark.parametrize(("owner", "mode"), [(NOBODY, 0o755), (0, 0o775), (0, 0o757), (0, 0o1777)])
def test_a_folder_that_others_can_write_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: int, mode: int
) -> None:
    monkeypatch.setenv("SUDO_UID", str(NOBODY))
    (tmp_path / "out").mkdir()
    os.chown(tmp_path / "out", owner, owner)
    (tmp_path / "out").chmod(mode)
    with pytest.raises(InputError, match="and root does not write there: name a folder with --out"):
        RunFolder(tmp_path / "out").make()


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "etc")
    with pytest.raises(HostError, match="cannot make the run's folder"):
        RunFolder(tmp_path / "out").make()


def test_what_is_given_away_is_the_folder_that_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_UID", str(NOBODY))
    monkeypatch.setenv("SUDO_GID", str(NOBODY))
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "secret").write_text("")
    folder = RunFolder(tmp_path / "out")
    folder.make()
    (tmp_path / "out/part").mkdir()
    (tmp_path / "out/part/file").write_text("")
    (tmp_path / "out/link").symlink_to(theirs / "secret")
    os.link(theirs / "secret", tmp_path / "out/hard")
    (tmp_path / "out").rename(tmp_path / "moved")
    (tmp_path / "out").symlink_to(theirs)
    folder.give_to_user()
    assert {path.lstat().st_uid for path in (theirs, theirs / "secret")} == {0}
    for name in (".", "part", "part/file", "link"):
        assert (tmp_path / "moved" / name).lstat().st_uid == NOBODY


def test_a_folder_that_was_refused_is_not_given_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", str(NOBODY))
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/shadow").write_text("")
    folder = RunFolder(tmp_path / "etc")
    with pytest.raises(InputError, match="is not empty"):
        folder.make()
    folder.remove_if_empty()
    folder.give_to_user()
    assert {path.lstat().st_uid for path in (tmp_path / "etc", tmp_path / "etc/shadow")} == {0}
