"""Policies of other packages: the documented one works; what fails is a sentence, not a traceback."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from placement_views import MS, bare_epoch, make_view, steady_work

from orbitmesh.emulator.errors import RunError, ScenarioError
from orbitmesh.emulator.placement import BUILT_IN, Placer, RequestClass, load
from orbitmesh.emulator.scenario.scenario import loads

HOW_TO = Path(__file__).parents[2] / "docs/how-to/placement.md"
SCENARIO = """name = "served"
[constellation]
shells = [{ code = "D:1400:60:24/4/1" }]
[compute]
satellites = 4
[run]
start = 2026-11-01T00:00:00Z
[serving]
model = "llama-3.1-8b"
accelerator = "h100"
placement = "PLACEMENT"
"""


@pytest.fixture(autouse=True)
def forget_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("leastbusy", "other"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def install(folder: Path, code: str, point: str, module: str = "other") -> None:
    """A package as pip leaves it: a module, and what its metadata announces."""
    (folder / f"{module}.py").write_text(code)
    about = folder / f"{module}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[orbitmesh.placement]\n{point}\n")


def test_the_documented_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = HOW_TO.read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (package, _) = (tomllib.loads(each) for each in re.findall(r"```toml\n(.*?)```", text, re.DOTALL))
    ((name, value),) = package["project"]["entry-points"]["orbitmesh.placement"].items()
    install(tmp_path, code, f"{name} = {value}", "leastbusy")
    monkeypatch.syspath_prepend(tmp_path)
    serving = loads(SCENARIO.replace("PLACEMENT", "least-busy")).serving
    assert serving is not None
    policy = load(serving.placement).policy
    view = make_view([[1, 2, 40], [1, np.inf, np.inf]], in_flight=[3, 1, 0])
    assert policy.place(view).satellite.tolist() == [[1], [0]]
    assert (1, 0) in policy.place(make_view([[1], [np.inf]])).refusals


def test_the_document_names_every_policy() -> None:
    listed = re.findall(r"^\| `([a-z-]+)` \|", HOW_TO.read_text(), re.MULTILINE)
    assert listed == list(BUILT_IN)
    in_reference = (HOW_TO.parents[1] / "scenario.md").read_text()
    assert all(f'`"{name}"`' in in_reference for name in BUILT_IN)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "nearst",
            "line 11: serving.placement: there is no placement policy 'nearst': did you mean 'nearest'?",
        ),
        (
            "mine",
            "there is no placement policy 'mine': policies: nearest, least-completion, sunlit, coolest, "
            "round-robin, sticky",
        ),
        ("coolest", "'coolest' goes by sunlight and heat, which the scenario does not have: add [platform]"),
    ],
)
def test_an_unknown_policy_is_refused_by_file_line_and_key(name: str, said: str) -> None:
    with pytest.raises(ScenarioError, match=re.escape(said)):
        loads(SCENARIO.replace("PLACEMENT", name))


def test_two_plugins_of_a_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "", "mine = other:A")
    install(tmp_path, "", "mine = leastbusy:B", "leastbusy")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ScenarioError, match=re.escape("'mine' (leastbusy:B and other:A): remove one")):
        loads(SCENARIO.replace("PLACEMENT", "mine"))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import nowhere", "cannot be loaded: ModuleNotFoundError: No module named 'nowhere'"),
        ("def Mine(): raise SystemExit(3)", "cannot be loaded: SystemExit: 3"),
        ("Mine = dict", "has no method 'place'"),
    ],
)
def test_a_plugin_that_does_not_load(
    code: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, code, "mine = other:Mine")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RunError, match=re.escape(f"the placement plug-in 'mine' (other:Mine) {said}")):
        load("mine")


PLUGIN = """
import numpy as np
from orbitmesh.emulator.placement import Placement, Refusal
class Mine:
    def place(self, view):
        BODY
"""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("1 / 0", "failed at epoch 4: ZeroDivisionError: division by zero; mend it, or take another policy"),
        ("raise SystemExit", "failed at epoch 4: SystemExit"),
        ("view.in_flight[0] = 1", "failed at epoch 4: ValueError: assignment destination is read-only"),
        ("return None", "answered with 'NoneType': it must be a Placement"),
        ("return Placement(np.zeros(3, int))", "answered with an array (3,) of int64: it must be (1, 1)"),
        ("return Placement(np.zeros((1, 1)))", "answered with an array (1, 1) of float64"),
        ("return Placement([[1], []])", "answered: ValueError"),
        ("return Placement(np.array([[0]]))", "answered with node 0, which hosts no process"),
        ("return Placement(np.array([[3]]))", "answered with node 3, which is no satellite"),
        ("return Placement(np.array([[-2]]))", "answered with node -2, which is no satellite"),
        (
            "return Placement(np.array([[-1]]), {(0, 0): 'no'})",
            "answered: TypeError: refusal of 0, 0 is 'no'",
        ),
        ("return Placement(np.array([[-1]]), {(0, 5): Refusal('no')})", "answered: IndexError"),
        (
            "return Placement(np.array([[-1]]), {(0, 0): Refusal('no', 10**30)})",
            "answered: ValueError: 1000000000000000000000000000000 ns of emulated time are no instant",
        ),
        (
            "return Placement(np.array([[-1]]), {(0, 0): Refusal('no', float('nan'))})",
            "answered: ValueError",
        ),
    ],
)
def test_a_plugin_that_fails_or_answers_what_cannot_be(
    body: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, PLUGIN.replace("BODY", body), "mine = other:Mine")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RunError, match=re.escape(f"the placement plug-in 'mine' (other:Mine) {said}")):
        asked("mine")


def test_a_plugin_may_refuse_without_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, PLUGIN.replace("BODY", "return Placement(np.array([[-1]]))"), "mine = other:Mine")
    monkeypatch.syspath_prepend(tmp_path)
    assert asked("mine") == "the policy refuses it, and gives no reason"


def asked(name: str) -> str:
    """Of three satellites the last two host a process."""
    classes = [RequestClass("chat", 1.0, 1.0, np.array([1.0]))]
    who, gateways = np.array([1, 2], np.int32), np.array([3], np.int32)
    placer = Placer(load(name), who, gateways, classes, steady_work(1.0), 10**9)
    found = placer.place(bare_epoch(3, 1, number=4), np.array([[1 * MS, 2 * MS]]))
    return found.refusals[3]["chat"].reason
