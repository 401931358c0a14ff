"""Charts of a mesh that runs, in a browser: what was before the page came, and where an event leads to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser_lab import need_page
from chromium import NO_GL, Browser, chromium
from page_lab import NS, MadeUp, served
from test_page_panels import click, press, text

from orbitmesh.web.v1 import web_pb2 as pb


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    need_page()
    with chromium(tmp_path_factory.mktemp("chromium"), *NO_GL) as browser:
        yield browser


class LateServer(MadeUp):
    """One that began to note lateness after 12 of 50 s."""

    def __init__(self) -> None:
        super().__init__()
        self.sim_ns = 50 * NS

    def _series(self) -> Iterator[bytes]:
        for data in super()._series():
            message = pb.ToPage.FromString(data)
            if message.series.kind == pb.SERIES_KIND_LATENESS:
                message.series.since_sim_ns = 12 * NS
            yield message.SerializeToString()


def test_an_event_leads_the_charts_to_its_instant(browser: Browser, pictures: Path) -> None:
    page = browser.page(1280, 900, alone=True)
    with served(LateServer) as (address, _):
        page.open(address)
        key = text(".chart:nth-child(1) .keys")
        page.wait_for(key + ".includes('measured 25')")  # of 20 ms + 0.1 ms/s: now, after 50 s
        assert "Lateness is noted from 0:00:12 on" in page.ask(text(".noted"))
        assert page.ask(text(".pointed")) == ""
        click(page, ".event", "handover")
        page.wait_for(key + ".includes('measured 21.0')")  # at 10 s
        assert "Read at 0:00:10.0 since the start, 1970-01-01 00:00:10" in page.ask(text(".pointed"))
        assert "at 0:00:10.0 since the start" in page.ask(text(".said"))
        page.picture(pictures / "an_event_leads_the_charts_to_its_instant.png")
        press(page, "Escape")
        page.wait_for(key + ".includes('measured 25')")
        page.wait_for("!" + text(".pointed"))
        assert page.errors == []
    page.close()
