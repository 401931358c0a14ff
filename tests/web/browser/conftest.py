"""One browser for a module's tests; its pictures are kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser_lab import PICTURES, need_page
from chromium import SOFTWARE_GL, Browser, chromium


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    need_page()
    with chromium(tmp_path_factory.mktemp("browser"), *SOFTWARE_GL, frames_apart_ms=100) as browser:
        yield browser


@pytest.fixture
def pictures() -> Path:
    PICTURES.mkdir(parents=True, exist_ok=True)
    return PICTURES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if PICTURES.is_dir():
        terminalreporter.write_line(f"pictures of the live page: {PICTURES}")
