"""The fabric's work on packets under AddressSanitizer and UBSan, and fuzzed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from message_lab import (
    GSO_TCPV4,
    GSO_TCPV6,
    GSO_UDP_L4,
    HERE,
    LIBRARY,
    MODULES,
    compile_library,
    ip4,
    ip6,
    partial,
    plain,
    scapy,
    udp,
)
from sanitizer_lab import build, fuzz


@pytest.mark.patient
def test_all_of_it_under_sanitizers(tmp_path: Path) -> None:
    library = tmp_path / "messages.so"
    flags = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1")
    build("cc", tmp_path / "trial", "address,undefined", trial_sources(tmp_path))
    compile_library(library, *flags)
    runtime = subprocess.run(
        ["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    )
    environment = os.environ | {
        LIBRARY: str(library),
        "LD_PRELOAD": runtime.stdout.strip(),
        "PYTHONMALLOC": "malloc",  # so that each buffer has an end that is watched
        "ASAN_OPTIONS": "detect_leaks=0",
    }
    chosen = [HERE / f"test_fabric_{name}.py" for name in ("capture", "fragments", "icmp", "merge")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "not netns", *chosen],
        capture_output=True,
        text=True,
        env=environment,
        cwd=HERE.parents[1],
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def trial_sources(folder: Path) -> list[Path]:
    (folder / "trial.c").write_text("int main(void) { return 0; }\n")
    return [folder / "trial.c"]


def seeds() -> dict[str, bytes]:
    s = scapy()
    frames = {
        "udp4": plain(ip4() / udp(200)),
        "udp4-partial": partial(ip4(flags="DF") / udp(200)),
        "udp4-gso": partial(ip4() / udp(900), GSO_UDP_L4, 250),
        "udp6": plain(ip6() / udp(200)),
        "udp6-gso": partial(ip6() / udp(900), GSO_UDP_L4, 250),
        "tcp4-gso": partial(ip4() / s.TCP(flags="PA") / s.Raw(bytes(900)), GSO_TCPV4, 250),
        "tcp6-gso": partial(ip6() / s.TCP(flags="PA") / s.Raw(bytes(900)), GSO_TCPV6, 250),
        "echo4": plain(ip4() / s.ICMP() / b"data"),
        "echo6": plain(ip6() / s.IPv6ExtHdrDestOpt() / s.ICMPv6EchoRequest(data=b"data")),
        "options": plain(ip4(options=[s.IPOption_LSRR(routers=["10.1.1.1"]), s.IPOption_NOP()]) / udp(900)),
        "fragment": plain(ip4(frag=3, flags="MF") / s.Raw(bytes(800))),
        "fragment6": plain(ip6() / s.IPv6ExtHdrFragment(m=1, nh=17) / s.Raw(bytes(800))),
    }
    return {name: b"\x09\x20\x02\x03" + frame for name, frame in frames.items()}


@pytest.mark.patient
def test_fuzz(tmp_path: Path) -> None:
    sources = [HERE / "fuzz" / "fuzz_messages.c", *MODULES]
    fuzzer = build("clang", tmp_path / "messages", "fuzzer,address,undefined", sources)
    (tmp_path / "corpus").mkdir()
    for name, data in seeds().items():
        (tmp_path / "corpus" / name).write_bytes(data)
    fuzz(fuzzer, 50_000, max_bytes=3000)
