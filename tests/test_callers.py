"""Who called by sudo: told by two numbers in the environment, which root alone believes."""

from __future__ import annotations

import os

import pytest

from orbitmesh.emulator.callers import who_called
from orbitmesh.emulator.errors import InputError


@pytest.fixture(autouse=True)
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.delenv("SUDO_UID", raising=False)
    monkeypatch.delenv("SUDO_GID", raising=False)


def test_two_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert who_called() is None
    monkeypatch.setenv("SUDO_GID", "7")
    assert who_called() is None
    monkeypatch.setenv("SUDO_UID", "1000")
    assert who_called() == (1000, 7)
    monkeypatch.delenv("SUDO_GID")
    assert who_called() == (1000, 1000)


def test_nobody_but_root_believes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", "nonsense")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert who_called() is None


@pytest.mark.parametrize("text", ["", "x", "-1", " 5", "1.0", "٣", "²", "4294967295", "9" * 30, "0x10"])
@pytest.mark.parametrize("name", ["SUDO_UID", "SUDO_GID"])
def test_what_is_no_number_is_named(name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", "5")
    monkeypatch.setenv(name, text)
    with pytest.raises(InputError, match=f"^{name} is '.*' in the environment, which is no user's number"):
        who_called()
