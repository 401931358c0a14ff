"""Build steps that pyproject.toml cannot state: folders, the programs in C, the gRPC stubs, the live page.

The folders at the top of the tree are the packages under ``orbitmesh``:
``emulator/`` is ``orbitmesh.emulator``, ``nodes/`` is ``orbitmesh.nodes``,
``wire/`` is ``orbitmesh.wire``, and ``proto/orbitmesh/`` is ``orbitmesh`` itself, with the packages of
the stubs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

from setuptools import Command, Distribution, find_packages, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build import build

ROOT = Path(__file__).resolve().parent
#: programs in C: each is compiled from src/ beside it
PROGRAMS = (Path("emulator/plane/engine/orbitmesh-engine"), Path("emulator/calibration/orbitmesh-traffic"))
#: the live page; its build.py makes dist/ beside it
PAGE = Path("emulator/web/page")
#: loops over arrays, for ctypes: src/ of the packages named
LIBRARY = Path("emulator/orbitmesh-arrays.so")
LIBRARY_SOURCES = ("orbit", "links", "routing", "platform", "plane/fabric")
# contraction off: the same numbers on every machine
LIBRARY_CFLAGS = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fPIC", "-shared"]
CFLAGS = ["-std=c11", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-fstack-protector-strong"]


class BuildNative(Command):
    """Generate the stubs and compile the programs, beside their sources."""

    description = "generate the gRPC stubs and compile the programs in C"
    user_options: ClassVar[list[tuple[str, str | None, str | None]]] = []
    editable_mode = False
    build_lib: str | None = None

    def initialize_options(self) -> None:
        self.build_lib = None

    def finalize_options(self) -> None:
        self.set_undefined_options("build_py", ("build_lib", "build_lib"))

    def run(self) -> None:
        made = [*self._stubs(), *map(self._program, PROGRAMS), self._library()]
        if not self.editable_mode:
            assert self.build_lib is not None
            for path in made:
                relative = path.relative_to(ROOT)
                target = (
                    Path(self.build_lib, *relative.parts[1:])
                    if relative.parts[0] == "proto"
                    else Path(self.build_lib, "orbitmesh", relative)
                )
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target)

    def _stubs(self) -> list[Path]:
        from grpc_tools import protoc  # only in the build environment

        protos = sorted((ROOT / "proto").rglob("*.proto"))
        if not protos:
            return []
        well_known = str(files("grpc_tools") / "_proto")
        status = protoc.main(
            ["protoc", f"-I{ROOT / 'proto'}", f"-I{well_known}"]
            + [f"--{kind}_out={ROOT / 'proto'}" for kind in ("python", "grpc_python", "pyi")]
            + [str(path) for path in protos]
        )
        if status:
            raise SystemExit(f"protoc failed with status {status}: see its message above")
        return sorted(path for path in (ROOT / "proto").rglob("*_pb2*.py*") if path.suffix in (".py", ".pyi"))

    def _program(self, program: Path) -> Path:
        # a hop goes through five files' functions
        lto = ["-flto=auto"] if _can_compile("-flto=auto") else []
        return self._compile(ROOT / program, sorted((ROOT / program).parent.glob("src/*.c")), lto)

    def _library(self) -> Path:
        sources = [
            path for name in LIBRARY_SOURCES for path in sorted((ROOT / "emulator" / name).glob("src/*.c"))
        ]
        return self._compile(ROOT / LIBRARY, sources, LIBRARY_CFLAGS)

    def _compile(self, target: Path, sources: list[Path], more: list[str]) -> Path:
        compiler = _compiler()
        # One that is running keeps its old file; and two builds at once do not write into each other's.
        with tempfile.TemporaryDirectory(prefix=".build-", dir=target.parent) as folder:
            part = Path(folder, target.name)
            subprocess.run(
                [compiler, *CFLAGS, *more, "-o", str(part), *map(str, sources), "-lm", "-pthread"], check=True
            )
            part.replace(target)
        return target

    # setuptools asks these of every build sub-command
    def get_source_files(self) -> list[str]:
        sources = [path for program in PROGRAMS for path in (ROOT / program).parent.rglob("*.[ch]")]
        sources += [path for name in LIBRARY_SOURCES for path in (ROOT / "emulator" / name).rglob("*.[ch]")]
        sources += (ROOT / "proto").rglob("*.proto")
        return [str(path.relative_to(ROOT)) for path in sources]

    def get_outputs(self) -> list[str]:
        return []

    def get_output_mapping(self) -> dict[str, str]:
        return {}


class BuildPage(Command):
    """Bundle the live page.  An editable install leaves it: ./mesh builds it when it is first needed."""

    description = "bundle the live page (needs Node)"
    user_options: ClassVar[list[tuple[str, str | None, str | None]]] = []
    editable_mode = False
    build_lib: str | None = None

    def initialize_options(self) -> None:
        self.build_lib = None

    def finalize_options(self) -> None:
        self.set_undefined_options("build_py", ("build_lib", "build_lib"))

    def run(self) -> None:
        if self.editable_mode:
            return
        assert self.build_lib is not None
        if subprocess.run([sys.executable, str(ROOT / PAGE / "build.py")]).returncode != 0:
            self.warn("going on without the live page: all but `orbitmesh web` and --web works without")
            return
        target = Path(self.build_lib, "orbitmesh", PAGE, "dist")
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(ROOT / PAGE / "dist", target)

    # setuptools asks these of every build sub-command
    def get_source_files(self) -> list[str]:
        kept = (path for path in (ROOT / PAGE).iterdir() if path.is_file())
        return [str(path.relative_to(ROOT)) for path in (*kept, *(ROOT / PAGE / "src").rglob("*.*"))]

    def get_outputs(self) -> list[str]:
        return []

    def get_output_mapping(self) -> dict[str, str]:
        return {}


def _compiler() -> str:
    compiler = os.environ.get("CC", "cc")
    if shutil.which(compiler) is None:
        raise SystemExit(f"no C compiler: {compiler!r} is not on PATH; run vagrant/provision.sh")
    return compiler


def _can_compile(option: str) -> bool:
    argv = [_compiler(), option, "-x", "c", "-", "-o", os.devnull]
    return subprocess.run(argv, input=b"int main(void) { return 0; }", capture_output=True).returncode == 0


class Build(build):
    sub_commands: ClassVar = [*build.sub_commands, ("build_native", None), ("build_page", None)]


class PlatformDistribution(Distribution):
    """What the wheel holds in C goes by the platform."""

    def has_ext_modules(self) -> bool:
        return True


class PlatformWheel(bdist_wheel):
    """Tagged for the platform, not for a Python: what is compiled is no extension of one."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


def packages_below(folder: str, name: str) -> dict[str, str]:
    found = {name: folder}
    for package in find_packages(folder):
        found[f"{name}.{package}"] = f"{folder}/{package.replace('.', '/')}"
    return found


proto_packages = {
    f"orbitmesh.{path.relative_to(ROOT / 'proto/orbitmesh').as_posix().replace('/', '.')}": str(
        path.relative_to(ROOT)
    )
    for path in sorted((ROOT / "proto/orbitmesh").glob("*/v1"))
}
package_dir = (
    packages_below("emulator", "orbitmesh.emulator")
    | packages_below("nodes", "orbitmesh.nodes")
    | packages_below("wire", "orbitmesh.wire")
    | proto_packages
)
# the folders between, so that an editable install finds orbitmesh.<package>.v1
package_dir |= {"orbitmesh": "proto/orbitmesh"} | {
    name.rpartition(".")[0]: folder.rpartition("/")[0] for name, folder in proto_packages.items()
}

if sys.platform != "linux":
    raise SystemExit(f"orbitmesh runs on Linux only, not on {sys.platform}; use the Vagrant box in vagrant/")

setup(
    packages=sorted(package_dir),
    package_dir=package_dir,
    package_data={
        "orbitmesh": ["py.typed"],
        "orbitmesh.emulator": ["py.typed"],
        "orbitmesh.emulator.metrics": ["grafana/*.json"],
        "orbitmesh.emulator.report": ["page.css", "data/*.json"],
        "orbitmesh.emulator.presets": ["data/*/*.toml"],
        "orbitmesh.emulator.scenario": ["shipped/*.toml"],
        "orbitmesh.nodes": ["py.typed"],
        "orbitmesh.wire": ["py.typed"],
    },
    # the sources in C and the .proto files are in the sdist; a wheel holds what was made of them
    include_package_data=False,
    distclass=PlatformDistribution,
    cmdclass={
        "bdist_wheel": PlatformWheel,
        "build": Build,
        "build_native": BuildNative,
        "build_page": BuildPage,
    },
)
