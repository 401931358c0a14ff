"""On the globe: a laser of the drawn way is clicked, fails, and the way goes elsewhere."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from browser_lab import corner_px, opened, served
from chromium import Browser, Page

sys.path.insert(0, str(Path(__file__).parents[2] / "e2e"))
from e2e_lab import toy

WAY = "[...orbitmesh.mesh.ways.values()].map(way => way.node)[0]"
# the hop of the way that lies most open to the eye, in the middle of which nothing else is picked
OPEN_HOP = f"""(nodes => {{
  for (let i = 2; i < nodes.length - 1; i++) {{
    const ends = [nodes[i - 1], nodes[i]], [a, b] = ends.map(node => orbitmesh.screenOf(node));
    if ([a, b].some(each => each.isBehindEarth || !each.isInPicture)) continue;
    const at = [(a.xPx + b.xPx) / 2, (a.yPx + b.yPx) / 2], picked = orbitmesh.pickAt(...at);
    if (picked.kind === 'link' && ends.includes(picked.a) && ends.includes(picked.b)) return [...at, ...ends];
  }}
  return null;
}})({WAY})"""


def click_a_hop(page: Page) -> tuple[int, int]:
    """Its ends, once it is picked: while the globe turns a click may come beside it."""
    until = time.monotonic() + 40
    while time.monotonic() < until:
        if (hop := page.ask(OPEN_HOP)) is not None:
            x_px, y_px, a, b = hop
            corner = corner_px(page)
            page.click(corner[0] + x_px, corner[1] + y_px)
            picked = page.ask("[orbitmesh.mesh.picked.a, orbitmesh.mesh.picked.b]")
            if set(picked) == {a, b}:
                return a, b
        page.hear(0.3)
    raise AssertionError("no laser of the way could be clicked")


def test_a_clicked_laser_fails_and_the_way_goes_elsewhere(
    browser: Browser, tmp_path: Path, pictures: Path
) -> None:
    with served(toy(run={"duration": "10 min"}), tmp_path / "run") as (_, url):
        page = opened(browser, url, 1000, 640, alone=True)
        page.ask("orbitmesh.mesh.setPair([orbitmesh.mesh.hello.gateways[0].node, 18])")
        page.wait_for(f"({WAY} ?? []).length > 4")
        page.ask(f"orbitmesh.focusOn({WAY}.slice(1, 3))")
        a, b = click_a_hop(page)
        page.wait_for("document.querySelector('.selected-name').innerText.includes(':')")
        page.ask("document.querySelector('.actions .danger').click()")
        page.wait_for("document.querySelector('.in-force').innerText.includes('in force')")
        ends = f"[{a}, {b}].sort().join()"
        hop = f"(nodes => nodes.some((node, i) => [node, nodes[i + 1]].sort().join() === {ends}))"
        page.wait_for(f"!{hop}({WAY})")
        page.picture(pictures / "laser-failed.png")
        # the list is told of it by a message of its own, and drawn a moment after
        page.wait_for("!!document.querySelector('.panel-inforce button.restore')")
        page.ask("document.querySelector('.panel-inforce button.restore').click()")
        page.wait_for(f"{hop}({WAY})")
        assert page.errors == []
        page.close()
