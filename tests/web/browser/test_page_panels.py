"""What is around the globe, in a browser: by keyboard, whatever names are, without WebGL, on a phone."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_lab import need_page
from chromium import NO_GL, Browser, Page, chromium
from page_lab import HOSTILE, NS, TOKEN, MadeUp, served

from orbitmesh.emulator import Emulation
from orbitmesh.emulator.control.client import Client
from orbitmesh.emulator.web.live import LiveSource

sys.path.insert(0, str(Path(__file__).parents[1]))
from web_lab import fake_mesh


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Without WebGL: what is tested here needs none, and says so."""
    need_page()
    with chromium(tmp_path_factory.mktemp("chromium"), *NO_GL) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, pictures: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Its picture is kept."""
    page = browser.page(alone=True)
    yield page
    page.picture(pictures / f"{request.node.name.removeprefix('test_')}.png")
    page.close()


FAIL = "document.querySelector('.actions .danger')"


def text(selector: str) -> str:
    """An expression: the text of what is seen there; empty where there is nothing."""
    return f"(e => e && e.checkVisibility() ? e.innerText : '')(document.querySelector({selector!r}))"


def press(page: Page, key: str) -> None:
    """As a keyboard does it: with the text that makes a browser act on Enter and on letters."""
    codes = {"Enter": (13, "\r"), "Escape": (27, ""), "ArrowRight": (39, ""), "Tab": (9, ""), " ": (32, " ")}
    code, said = codes.get(key, (ord(key[0].upper()), key))
    more: dict[str, Any] = {"text": said} if said else {}
    page.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **more)
    page.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)


def type_in(page: Page, what: str) -> None:
    page.call("Input.insertText", text=what)


# where the middle of the element is, once it lies still and nothing lies over it
_STILL = """(async () => {
  const found = [...document.querySelectorAll(%s)].find(e => e.checkVisibility() && e.innerText.includes(%s));
  if (!found) return null;
  found.scrollIntoView({block: 'center'});
  const middle = () => (r => [r.x + r.width / 2, r.y + r.height / 2])(found.getBoundingClientRect());
  const at = middle();
  await new Promise(done => setTimeout(done, 60));
  return String(at) === String(middle()) && found.contains(document.elementFromPoint(...at)) ? at : null;
})()"""


def click(page: Page, selector: str, said: str = "") -> None:
    """The first there that holds this text, where it is seen."""
    page.click(*page.wait_for(_STILL % (json.dumps(selector), json.dumps(said))))


# ---- a mesh that runs


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulation]:
    with fake_mesh(tmp_path_factory.mktemp("web") / "run") as mesh:
        yield mesh


@pytest.fixture(scope="module")
def address(mesh: Emulation) -> Iterator[str]:
    async def live() -> LiveSource:
        source = LiveSource(mesh.run_id, can_control=True)
        await source.open()
        return source

    with served(live) as (address, _):
        yield address


def in_force(mesh: Emulation) -> list[dict[str, Any]]:
    with Client.connect(mesh.run_id) as client:
        return client.interventions()


def test_the_keyboard_alone_selects_fails_and_restores(page: Page, mesh: Emulation, address: str) -> None:
    page.open(address)
    page.wait_for(text(".connection") + " === 'connected'")
    page.wait_for(text(".sheet tbody"))
    press(page, "/")
    type_in(page, "sat-0-3")
    press(page, "Enter")
    page.wait_for(text(".selected-name") + " === 'sat-0-3'")
    press(page, "Tab")  # out of the field, in which letters are letters
    press(page, "f")
    assert page.ask("document.activeElement.innerText") == "Fail"
    press(page, "Enter")
    page.wait_for(text(".in-force") + ".includes('in force')")
    page.wait_for(text(".interventions") + ".includes('sat-0-3')")
    assert [each["what"] for each in in_force(mesh)] == ["sat-0-3"]
    page.wait_for(text(".selected-name + .quiet") + ".endsWith(', has failed')")
    press(page, "r")
    assert page.ask("document.activeElement.innerText") == "Restore"
    press(page, "Enter")
    page.wait_for("!" + text(".interventions"))
    assert in_force(mesh) == []
    assert page.errors == []


def test_a_link_of_the_way_fails_and_the_way_goes_elsewhere(page: Page, address: str) -> None:
    page.open(address)
    page.wait_for(text(".sheet tbody"))
    click(page, "input[aria-label=Source]")
    type_in(page, "gw-london")
    press(page, "Enter")
    click(page, "input[aria-label=Destination]")
    type_in(page, "sat-2-2")
    press(page, "Enter")
    page.wait_for(text(".way") + ".includes('sat-2-2')")
    assert "not measured" in page.ask(text(".panel-latency"))  # nothing probes here: it is said, and is no 0
    way = "[...document.querySelectorAll('.way button')].map(e => e.innerText)"
    nodes = page.ask(way)
    assert (nodes[0], nodes[-1]) == ("gw-london", "sat-2-2")
    assert len(nodes) > 2
    click(page, ".way button", nodes[-2])
    page.wait_for(text(".selected-name") + f" === {nodes[-2]!r}")
    click(page, ".links button", "sat-2-2")
    page.wait_for(text(".selected-name") + ".includes(':')")
    click(page, ".actions .danger")
    page.wait_for(text(".in-force") + ".includes('in force')")
    hop = f"{nodes[-2]},sat-2-2"
    page.wait_for(f"!{way}.join().endsWith({hop!r})")
    click(page, ".panel-inforce button.restore")
    page.wait_for(f"{way}.join().endsWith({hop!r})")
    assert page.errors == []


def test_what_the_server_refuses_is_said_in_its_words(page: Page, mesh: Emulation, address: str) -> None:
    page.open(address)
    page.wait_for(text(".sheet tbody"))
    press(page, "/")
    type_in(page, "gw-london")
    press(page, "Enter")
    click(page, ".actions summary")
    click(page, "input[aria-label=Rate]")
    type_in(page, "10")
    press(page, "Enter")
    page.wait_for(text(".said") + ".includes('“10” has no unit: write a number and one of bit/s')")
    type_in(page, " Mbit/s")
    press(page, "Enter")
    page.wait_for(text(".in-force") + ".includes('in force')")
    assert in_force(mesh)[0]["rate_bps"] == 10_000_000
    click(page, ".panel-inforce button.restore")
    page.wait_for("!" + text(".interventions"))


# ---- what a test makes up


def test_names_are_text_whatever_they_are(page: Page) -> None:
    with served(lambda: MadeUp(evil=HOSTILE, doubts=[f"{HOSTILE}doubted"])) as (address, source):
        page.open(address)
        page.wait_for(text(".connection") + " === 'connected'")
        gateway = source.nodes.n_satellites
        click(page, ".tab", "Gateways")
        click(page, ".sheet tbody button")
        page.wait_for(text(".selected-name"))
        click(page, "input[aria-label=Source]")
        type_in(page, "<img")
        press(page, "Enter")
        click(page, ".actions .danger")
        page.wait_for(text(".said") + ".includes('cannot be failed')")
        for where in ("Toy", "chat", "noted", "doubted", "queues", "battery", "in 500 ms", "handover at 0"):
            page.wait_for(f"document.body.textContent.includes({json.dumps(HOSTILE + where)})")
        assert page.ask(text(".selected-name")) == HOSTILE + source.nodes.names[gateway]
        assert page.ask("document.images.length") == 0
        assert page.ask("document.title").startswith(HOSTILE)
        assert page.errors == []


@pytest.mark.parametrize(("width", "height"), [(360, 740), (390, 844), (1280, 720)])
def test_nothing_is_wider_than_the_page(page: Page, width: int, height: int) -> None:
    page.resize(width, height, phone=width < 600)
    with served(lambda: MadeUp(evil=HOSTILE)) as (address, _):
        page.open(address)
        page.wait_for(text(".sheet tbody"))
        click(page, ".sheet tbody button")
        page.wait_for(text(".selected-name"))
        assert page.ask("document.documentElement.scrollWidth") <= width
        assert page.ask("document.documentElement.clientWidth") == width


def test_without_webgl_the_tables_stand_for_the_globe(page: Page) -> None:
    with served(MadeUp) as (address, _):
        page.open(address)
        page.wait_for(text(".sheet tbody"))
        assert "no WebGL 2" in page.ask(text(".why-table"))
        click(page, "input[type=search]")
        type_in(page, "sat-1 lat>0")
        page.wait_for(text(".pages .quiet") + ".includes(' of 48 satellites')")
        names = page.ask("[...document.querySelectorAll('.sheet tbody th')].map(e => e.innerText)")
        assert names
        assert all(name.startswith("sat-1") for name in names)
        click(page, ".heading", "Latitude")
        page.wait_for("!!document.querySelector('th[aria-sort=ascending]')")
        rows = "[...document.querySelectorAll('.sheet tbody tr')]"
        shown = page.ask(f"{rows}.map(e => parseFloat(e.cells[2].innerText))")
        assert shown == sorted(shown)
        assert min(shown) >= 0
        click(page, ".sheet tbody td")
        page.wait_for(text(".selected-name") + ".startsWith('sat-1')")


def test_a_wrong_token_is_told_with_what_to_do(page: Page) -> None:
    with served(MadeUp) as (address, _):
        page.open(address.replace(TOKEN, "guessed"))
        page.wait_for(text(".notice") + ".includes('The server refused this page')")
        assert "after #, is the token" in page.ask(text(".notice"))
        assert page.ask(text(".connection")) == "refused"


def test_a_connection_that_was_lost_comes_back(page: Page) -> None:
    with served(MadeUp) as (address, _):
        page.open(address)
        page.wait_for(text(".sheet tbody"))
        press(page, "/")
        type_in(page, "sat-1-1")
        press(page, "Enter")
    page.wait_for(text(".notice") + ".includes('1970-01-01 00:00:20 UTC')")  # which instant is still shown
    assert page.ask(text(".state")) == "as last known"
    page.wait_for(f"{FAIL}.disabled")
    assert page.ask(f"{FAIL}.title") == "There is no connection to the server now."
    port = int(address.split(":")[2].split("/")[0])
    with served(MadeUp, port):
        page.wait_for(text(".connection") + " === 'connected'", timeout_s=30)
        assert page.ask(text(".notice")) == ""
        assert page.ask(text(".selected-name")) == "sat-1-1"


def test_a_record_is_sought_by_slider_keys_and_events(page: Page) -> None:
    with served(lambda: MadeUp(is_live=False, can_control=False)) as (address, source):
        page.open(address)
        page.wait_for(text(".clock") + " === '1970-01-01 00:00:20 UTC'")
        assert page.ask("document.querySelector('.transport').hidden")
        assert page.ask("document.querySelector('.span-choice select').value") == "0"  # the whole run
        press(page, ".")
        page.wait_for(text(".clock") + " === '1970-01-01 00:00:21 UTC'")
        press(page, ",")
        page.wait_for(text(".clock") + " === '1970-01-01 00:00:20 UTC'")
        page.ask("document.querySelector('.line input').focus()")
        press(page, "ArrowRight")
        page.wait_for(text(".timeline .at") + " === '0:00:21.0'")
        click(page, ".event", "late tick at 1")
        page.wait_for("document.querySelectorAll('.mark').length === 3")
        click(page, ".event", "eclipse at 2")
        page.wait_for(text(".clock") + " === '1970-01-01 00:00:30 UTC'")
        page.wait_for(text(".selected-name") + " === 'sat-0-2'")
        sought = [request.sim_ns // NS for what, request in source.asked if what == "seek"]
        assert sought == [21, 20, 21, 20, 30]
        assert page.ask(f"{FAIL}.title") == "This run is over: what is shown is its record."
        press(page, "Escape")
        press(page, " ")
        page.hear(0.3)
        assert source.asked[-1][0] == "play"
        assert page.errors == []


def test_a_page_that_may_only_look_says_so(page: Page) -> None:
    with served(lambda: MadeUp(can_control=False)) as (address, source):
        page.open(address)
        page.wait_for(text(".sheet tbody"))
        click(page, ".sheet tbody button")
        page.wait_for(text(".actions") + ".includes('may look, but change nothing')")
        press(page, "Escape")
        press(page, " ")
        page.hear(0.3)
        assert not [what for what, _ in source.asked if what in ("pause", "intervene")]


def test_a_reload_shows_the_same_again(page: Page) -> None:
    with served(lambda: MadeUp(is_live=False)) as (address, source):
        page.open(address)
        page.wait_for(text(".sheet tbody"))
        press(page, "/")
        type_in(page, "sat-3-1")
        press(page, "Enter")
        click(page, "input[aria-label=Source]")
        type_in(page, "gw-london")
        press(page, "Enter")
        click(page, "input[aria-label=Destination]")
        type_in(page, "sat-3-1")
        press(page, "Enter")
        page.wait_for(text(".way"))
        press(page, "Escape")
        press(page, "Escape")
        press(page, ".")
        page.wait_for(text(".clock") + " === '1970-01-01 00:00:21 UTC'")
        source.sim_ns = 5 * NS  # where another viewer would begin
        page.reload()
        page.wait_for(text(".clock") + " === '1970-01-01 00:00:21 UTC'")
        page.wait_for(text(".way") + ".includes('sat-3-1')")
        assert page.errors == []
