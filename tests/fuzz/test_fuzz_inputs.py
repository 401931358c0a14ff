"""Scenarios, element files, run folders and command lines, broken at random: a sentence each, at once.

Seeded, for ``SECONDS`` in all.  ``ORBITMESH_FUZZ_SECONDS=3600`` goes on for an hour, ``ORBITMESH_FUZZ_SEED``
chooses another way.  Each input is tried in a child of its own: a traceback, five seconds without an end,
or an exit status other than 0, 1, 2 and 130 fails, and names the file that did it.
"""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orbitmesh.emulator import plan  # once, and not in each child
from orbitmesh.emulator.cli.main import main
from orbitmesh.emulator.record import results
from orbitmesh.emulator.scenario.scenario import SHIPPED_FOLDER

sys.path.append(str(Path(__file__).parents[1] / "record"))
from record_fakes import facts, record

SECONDS = float(os.environ.get("ORBITMESH_FUZZ_SECONDS", "16"))
SEED = int(os.environ.get("ORBITMESH_FUZZ_SEED", "1"))
MOST_S = 5.0
assert plan
assert results
ENDINGS = {0, 1, 2, 130}
SEEDS = Path(__file__).parent / "seeds"

TOKENS = [
    b"9" * 5000,
    b"1e400",
    b"-1",
    b"0",
    b"nan",
    b"inf",
    b"\xff",
    b"\0",
    b"\xe2\x80\xa8",
    b"\x1b[2J",
    b'"',
    b"'",
    b"[" * 3000,
    b"{" * 300,
    b"]",
    b"a." * 500,
    b"1" * 20_000 + b" km",
    b"&e;",
    b"<!DOCTYPE x>",
    b",",
    b"=",
    b"[[",
    b"\r",
    b"\n" * 50,
    b"x" * 200_000,
    b"2000000/2000000/0",
    b"-180",
    b"1 ",
    b"2 ",
    b"4",
    b"null",
    b"[]",
    b"{}",
]


def broken(data: bytes, dice: random.Random) -> bytes:
    for _ in range(dice.randint(1, 4)):
        at, end = sorted(dice.randint(0, len(data)) for _ in range(2))
        how = dice.randrange(5)
        if how == 0:
            data = data[:at] + dice.choice(TOKENS) + data[at:]
        elif how == 1:
            data = data[:at] + dice.choice(TOKENS) + data[min(at + dice.randint(1, 8), len(data)) :]
        elif how == 2:
            data = data[:at] + data[min(end, at + 40) :]
        elif how == 3:
            data = data[:at] + data[at : at + 60] * dice.randint(2, 20) + data[at:]
        else:
            data = data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :]
    return data


def tried(argv: list[str], folder: Path) -> str | None:
    """What is wrong with how the command ends, in words."""
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.chdir(folder)
            os.dup2(into, 1)
            os.dup2(into, 2)
            sys.stdout, sys.stderr = (open(fd, "w", closefd=False, buffering=1) for fd in (1, 2))  # noqa: SIM115
            sys.argv = ["orbitmesh", *argv]
            main()
            os._exit(0)
        except SystemExit as ended:
            sys.stdout.flush()
            os._exit(ended.code if isinstance(ended.code, int) else 1 if ended.code else 0)
        except BaseException as error:
            import traceback

            os.write(2, "".join(traceback.format_exception(error)).encode(errors="replace"))
            os._exit(99)
    os.close(into)
    said, until_s = b"", time.monotonic() + MOST_S
    while (left_s := until_s - time.monotonic()) > 0 and select.select([out], [], [], left_s)[0]:
        got = os.read(out, 1 << 16)
        if not got:
            break
        said = (said + got)[-20_000:]
    else:
        os.kill(pid, 9)
    os.close(out)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status == -9:
        return f"did not end within {MOST_S:g} s"
    if b"Traceback" in said or status not in ENDINGS:
        return f"exit status {status}: {said.decode(errors='replace')[-3000:]}"
    return None


def scenario(folder: Path, dice: random.Random) -> list[str]:
    text = dice.choice([SHIPPED_FOLDER / "pocket.toml", SHIPPED_FOLDER / "demo.toml"]).read_bytes()
    (folder / "s.toml").write_bytes(broken(text, dice))
    return ["plan", "s.toml", "--pair", "gw-london:gw-madrid", "--duration", "1s"]


def elements(folder: Path, dice: random.Random) -> list[str]:
    seed = dice.choice(sorted(path for path in SEEDS.iterdir() if path.suffix in (".tle", ".omm")))
    (folder / f"some{seed.suffix}").write_bytes(broken(seed.read_bytes(), dice))
    (folder / "s.toml").write_text(
        f'name = "t"\n[constellation]\nshells = [{{ {seed.suffix[1:]} = "some{seed.suffix}" }}]\n'
        '[lasers]\npattern = "nearest"\n[ground]\nmin-elevation = "5 deg"\n'
        '[[ground.stations]]\nname = "a"\nlatitude = "48 deg"\nlongitude = "11 deg"\n'
        '[[ground.stations]]\nname = "b"\nlatitude = "40 deg"\nlongitude = "-3 deg"\n'
        '[run]\nstart = 2026-11-01T00:00:00Z\nduration = "5s"\n'
    )
    return ["plan", "s.toml", "--pair", "gw-a:gw-b", "--duration", "1s"]


def command_line(folder: Path, dice: random.Random) -> list[str]:
    argv = dice.choice(
        [
            [
                "plan",
                "pocket",
                "--pair",
                "gw-london:gw-madrid",
                "--duration",
                "1s",
                "--start",
                "2026-11-01T00:00:00Z",
            ],
            ["report", "x"],
            ["scenarios", "-o", "json"],
            ["status"],
            ["ping", "a", "b"],
            ["trace", "a", "b"],
        ]
    )
    at = dice.randrange(1, len(argv) + 1)
    token = broken(b"".join(argv[at : at + 1] and [argv[at].encode()]) or b"--output", dice)
    argv[at : at + 1] = [os.fsdecode(token.replace(b"\0", b""))[:50_000]]
    return argv


VALUES: list[Any] = [
    None, True, -1, 4, 1e300, 2**63 - 1, "", "\ud800", "\x1b[2J", "x" * 10_000,
    [], {}, [[]], [None], {"": None},
]  # fmt: skip


def changed(value: Any, dice: random.Random) -> Any:
    """One entry of it lacks, or is another."""
    if isinstance(value, dict | list) and value and dice.random() < 0.9:
        key = dice.choice(list(value) if isinstance(value, dict) else range(len(value)))
        if dice.random() < 0.2:
            del value[key]
        else:
            value[key] = changed(value[key], dice)
        return value
    return dice.choice(VALUES)


def changed_table(path: Path, dice: random.Random) -> None:
    table = pq.read_table(path)
    at = dice.randrange(table.num_columns)
    name = table.column_names[at]
    how = dice.randrange(4)
    if how == 0:
        table = table.remove_column(at)
    elif how == 1:
        table = table.append_column(name, table[name])
    else:
        kind = dice.choice([pa.int64(), pa.string(), pa.list_(pa.int64()), pa.null()])
        kind = table.schema.field(at).type if how == 2 else kind
        table = table.set_column(at, name, pa.nulls(len(table), kind))
    pq.write_table(table, path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def run_folder(folder: Path, dice: random.Random) -> list[str]:
    run, ended = folder / "run", dice.random() < 0.5
    whole = folder.parent / f"run-{ended}"
    if not whole.exists():
        record(whole, facts() if ended else None)
    shutil.copytree(whole, run)
    for path in dice.sample(sorted(path for path in run.rglob("*") if path.is_file()), dice.randint(1, 2)):
        how = dice.randrange(8)
        if how == 0:
            path.unlink()
            dice.choice([os.mkfifo, os.mkdir, Path.touch, endless])(path)
        elif how < 4 and path.suffix == ".json":
            path.write_text(json.dumps(changed(json.loads(path.read_bytes()), dice)))
        elif how < 4 and path.suffix == ".parquet":
            changed_table(path, dice)
        else:
            path.write_bytes(broken(path.read_bytes(), dice))
    return dice.choice(
        [["report", "run"], ["report", "run", "-o", "json"], ["report", "run", "-o", "csv"], ["clean", "run"]]
    )


@pytest.mark.timeout(SECONDS + 120)
@pytest.mark.parametrize("made", [scenario, elements, command_line, run_folder])
def test_what_is_broken_is_said_in_a_sentence(
    made: Callable[[Path, random.Random], list[str]], tmp_path: Path
) -> None:
    began_s, number = time.monotonic(), 0
    while time.monotonic() - began_s < SECONDS / 4:
        dice = random.Random(f"{SEED}-{made.__name__}-{number}")
        folder = tmp_path / str(number)
        folder.mkdir()
        argv = made(folder, dice)
        wrong = tried(argv, folder)
        assert wrong is None, f"input {number} of {folder}, {str(argv)[:300]}: {wrong}"
        shutil.rmtree(folder)
        number += 1
    assert number > 3
