"""A whole pytest run, once more, in a guest kernel."""

from __future__ import annotations

import os
import sys

import pytest

from ..errors import GuestError, OrbitmeshError

_FLAG = "--orbitmesh-guest"


def run_in_guest(config: pytest.Config) -> int | None:
    """Its exit status there; None in the guest itself, where the run goes on."""
    from ..cli.guest import memory_bytes
    from ..guest import boot, machine

    if os.environ.get(machine.MARK):
        return None
    writable = []
    if config.pluginmanager.hasplugin("cacheprovider"):  # what --lf goes by
        cache = config.rootpath / str(config.getini("cache_dir"))
        try:
            cache.mkdir(exist_ok=True)
        except OSError as error:
            raise pytest.UsageError(f"{cache}: {error.strerror}: add -p no:cacheprovider") from None
        writable.append(cache)
    arguments = [argument for argument in config.invocation_params.args if argument != _FLAG]
    try:
        order = boot.Order(
            argv=[sys.executable, "-m", "pytest", *map(str, arguments)],
            cwd=config.invocation_params.dir,
            writable=writable,
            memory_bytes=memory_bytes(config.getoption("--orbitmesh-guest-memory")),
        )
        return boot.run(order, _up)
    except OrbitmeshError as error:
        if isinstance(error, GuestError):
            print(*error.console_tail, sep="\n", file=sys.stderr)
        raise pytest.UsageError(f"{_FLAG}: {error}") from None


def _up(seconds: float) -> None:
    print(f"orbitmesh: guest kernel up in {seconds:.1f} s", flush=True)
