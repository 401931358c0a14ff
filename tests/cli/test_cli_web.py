"""``orbitmesh web``: what it says where it cannot serve, and a record that it serves."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request
import webbrowser
from pathlib import Path

import pytest

from orbitmesh.emulator import Emulation, lesser_user
from orbitmesh.emulator.cli.web import open_in_browser
from orbitmesh.emulator.errors import FailureError
from orbitmesh.emulator.web import files

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
sys.path.insert(0, str(Path(__file__).parents[1] / "control"))
from api_lab import Certificates
from e2e_lab import toy
from web_lab import opened, pb

ORBITMESH = [sys.executable, "-P", "-m", "orbitmesh.emulator.cli"]


def refused(*words: str) -> str:
    done = subprocess.run([*ORBITMESH, "web", *words], capture_output=True, text=True, timeout=60)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    return done.stderr


def test_what_is_no_run_is_refused_in_a_sentence(tmp_path: Path) -> None:
    assert "holds no run (no run.json in it)" in refused(f"{tmp_path}/x")
    assert "is no run's id" in refused("a b")


def test_a_run_that_ends_is_looked_at_again_where_its_record_is(tmp_path: Path) -> None:
    """Its id leads there only from the folder in which the run was started."""
    if not (files.DIST / "index.html").is_file():
        pytest.skip("needs the page (./mesh web builds it)")
    out = tmp_path / "my run"
    with Emulation(toy(), links="fake", out=out, clock="stepped") as mesh:
        served = subprocess.Popen(
            [*ORBITMESH, "web", mesh.run_id, "--port", "0"], stderr=subprocess.PIPE, text=True
        )
        assert served.stderr is not None
        said = [served.stderr.readline() for _ in range(3)]
        assert "the mesh goes on" in said[-1]
    with served:
        assert served.wait(30) == 0
        assert f"the run has ended: orbitmesh report '{out}' prints its results" in served.stderr.read()


def test_a_mesh_elsewhere_has_its_page_here(tmp_path: Path) -> None:
    from orbitmesh.emulator.control.api.listening import Listening

    if not (files.DIST / "index.html").is_file():
        pytest.skip("needs the page (./mesh web builds it)")
    papers = Certificates(tmp_path)
    door = Listening.open("127.0.0.1:0", certificate=papers.cert, key=papers.key, token=papers.token)
    with Emulation(toy(), links="fake", out=tmp_path / "run", listen=door) as mesh:
        at = ["--at", door.address, "--ca", str(papers.ca), "--token-file", str(papers.token)]
        words = [*ORBITMESH, *at, "web", "--port", "0"]
        served = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        assert served.stderr is not None
        said = [served.stderr.readline() for _ in range(3)]
        assert f"{mesh.run_id}: the live page is at" in said[0]
        url = said[1].strip().partition("#")[0]
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert b"<title>" in answer.read()
    with served:
        assert served.wait(30) == 0
        # whether the run ended or the way there broke, nobody here knows for sure
        assert f": its record is there, in {tmp_path / 'run'}" in served.stderr.read()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a link to another user")
def test_another_user_s_link_to_a_record_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/run.json").write_text("{}")
    (tmp_path / "link").symlink_to(tmp_path / "run")
    os.lchown(tmp_path / "link", 65534, 65534)
    said = refused(f"{tmp_path}/link")
    assert "link: cannot be opened: link is a link that user 65534 made" in said
    assert "ORBITMESH_DEBUG" not in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to give up")
@pytest.mark.parametrize("owner", ["root", "another", "root alone"])
def test_what_serves_a_record_is_root_no_more_where_another_can_read_it(owner: str) -> None:
    if not (files.DIST / "index.html").is_file():
        pytest.skip("needs the page (./mesh web builds it)")
    for path in lesser_user.PROGRAM:
        if subprocess.run(["/usr/bin/test", "-r", path], user=65534, group=65534, cwd="/").returncode:
            pytest.skip(f"needs an interpreter and libraries that all users may read: {path}")
    with tempfile.TemporaryDirectory(prefix="orbitmesh-test-") as made:
        folder = Path(made)  # pytest's own are root's alone
        folder.chmod(0o755)
        with Emulation(toy(), links="fake", out=folder / "run", clock="stepped") as mesh:
            mesh.step(2)
        for path in (folder / "run", *(folder / "run").iterdir()):
            if owner == "another":
                os.chown(path, 12345, 12345)
                path.chmod(0o700)
            else:
                path.chmod(0o755 if owner == "root" else 0o700)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("SUDO_")}
        served = subprocess.Popen(
            [*ORBITMESH, "web", str(folder / "run"), "--port", "0"],
            stderr=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        with served:
            assert served.stderr is not None
            lines = [served.stderr.readline() for _ in range(4 if owner == "root alone" else 3)]
            told = Path(f"/proc/{served.pid}/status").read_text()
            uids = re.search(r"^Uid:\t(\d+)\t(\d+)\t(\d+)\t(\d+)$", told, re.MULTILINE)
            assert uids
            wanted = {"root": "65534", "another": "12345", "root alone": "0"}[owner]
            assert set(uids.groups()) == {wanted}, lines
            assert re.search(r"^CapEff:\t0+$", told, re.MULTILINE)
            assert any("goes on as root" in line for line in lines) == (owner == "root alone"), lines
            address = re.search(r"http://127\.0\.0\.1:(\d+)/#token=([\w-]+)", "".join(lines))
            assert address, lines
            assert asyncio.run(notes_and_instant(int(address[1]), address[2])) == ([], True)
            served.send_signal(signal.SIGINT)
            served.wait(30)


async def notes_and_instant(port: int, token: str) -> tuple[list[str], bool]:
    """What a page is told to be missing, and whether it is shown the instant that it seeks."""
    async with opened(port) as page:
        await page.enter(token)
        await page.until(lambda: "epoch" in page.news, "an epoch")
        notes = [note for note in page.news["hello"].notes if "cannot be" in note or "missing" in note]
        await page.ask(seek=pb.Seek(sim_ns=10**9))
        await page.until(lambda: page.news["epoch"].sim_ns > 0, "the instant")
        return notes, True


def test_a_record_is_served_until_ctrl_c(tmp_path: Path) -> None:
    if not (files.DIST / "index.html").is_file():
        pytest.skip("needs the page (./mesh web builds it)")
    out = tmp_path / "run"
    with Emulation(toy(), links="fake", out=out, clock="stepped") as mesh:
        mesh.step(2)
    served = subprocess.Popen([*ORBITMESH, "web", str(out), "--port", "0"], stderr=subprocess.PIPE, text=True)
    with served:
        assert served.stderr is not None
        said = "".join(served.stderr.readline() for _ in range(2))
        found = re.search(r"(http://127\.0\.0\.1:\d+)/#token=[\w-]{43}$", said.strip())
        assert found, said
        with urllib.request.urlopen(f"{found[1]}/", timeout=20) as answer:
            assert b"<html" in answer.read()
        taken = refused(str(out), "--port", found[1].rpartition(":")[2])
        assert re.search(r"port \d+ of 127.0.0.1 is in use: take another, or 0", taken)
        served.send_signal(signal.SIGINT)
        assert served.wait(30) in (0, 130)
        assert "Traceback" not in served.stderr.read()


def test_the_page_that_leads_a_browser_there_is_its_users_own_and_does_not_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds the token: it stayed in /tmp for good."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    asked: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: asked.append(url) or True)
    page = open_in_browser("http://127.0.0.1:1/#token=x")
    assert asked == [f"file://{page}"]
    assert page.stat().st_mode & 0o77 == 0
    assert "#token=x" in page.read_text()
    page.unlink()
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    with pytest.raises(FailureError, match="there is no browser here"):
        open_in_browser("http://127.0.0.1:1/#token=x")
    assert not [*tmp_path.iterdir()]
