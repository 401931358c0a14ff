"""./mesh goes through sudo where README says that root is needed, and nowhere else."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = (ROOT / "mesh").read_text()


def verbs(needs: str) -> set[str]:
    """Of README's table: those whose last column says so."""
    rows = re.findall(r"^\| (`[a-z].*?) \|.*\| (.+?) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    found = {word for names, said in rows if said == needs for word in re.findall(r"`([a-z]+)", names)}
    return found - {"guest"}  # without root, in a kernel of its own


def as_root() -> set[str]:
    """Verbs whose part of the script ends with as_root."""
    parts = re.findall(r"^([a-z][a-z |]*)\)$(.*?)^    ;;$", SCRIPT, re.MULTILINE | re.DOTALL)
    return {verb.strip() for names, does in parts if "as_root" in does for verb in names.split("|")} - {
        "test"
    }


def test_verbs_that_need_root_go_through_sudo() -> None:
    assert verbs("yes") <= as_root()
    assert as_root() <= verbs("yes") | {"web"}
    assert not verbs("no") & as_root()


@pytest.mark.parametrize(
    ("words", "of_running"),
    [
        ("web", True),
        ("web --port 8301 --read-only", True),
        ("web --port=8301", True),
        ("web runs/demo", False),
        ("web --port 8301 demo-1", False),
        ("metrics --port 9464", True),
        ("metrics --prometheus", False),
        ("metrics --grafana", False),
        ("fail sat-0-1", True),
    ],
)
def test_what_is_of_no_running_mesh_needs_no_root(words: str, of_running: bool) -> None:
    function = re.search(r"^is_of_running\(\) \{$.*?^\}$", SCRIPT, re.MULTILINE | re.DOTALL)
    assert function is not None
    done = subprocess.run(
        ["bash", "-euc", f"{function[0]}\nis_of_running {words}"], env={"PATH": os.environ["PATH"]}
    )
    assert done.returncode == (0 if of_running else 1)
