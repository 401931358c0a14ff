"""Who may read the metrics, and what becomes of those who do something else."""

from __future__ import annotations

import http.client
import socket
import ssl
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from metrics_lab import scraped, seen_once

from orbitmesh.emulator.control.api.listening import Listening, listening
from orbitmesh.emulator.errors import FailureError, InputError
from orbitmesh.emulator.metrics.seen import Seen

sys.path.insert(0, str(Path(__file__).parents[1] / "control"))
from api_lab import Certificates


def get(url: str, context: ssl.SSLContext | None = None, **headers: str) -> tuple[int, str, str]:
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=10, context=context
        ) as a:
            return a.status, a.headers["Content-Type"], a.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def test_it_answers_as_it_is_asked() -> None:
    with scraped(seen_once()) as endpoint:
        assert endpoint.url.startswith("http://127.0.0.1:")
        status, kind, text = get(endpoint.url)
        assert (status, kind.partition(";")[0]) == (200, "text/plain")
        assert "# HELP orbitmesh_latency_seconds " in text
        status, kind, text = get(endpoint.url, Accept="application/openmetrics-text; version=1.0.0")
        assert (kind.partition(";")[0], text[-6:]) == ("application/openmetrics-text", "# EOF\n")
        base = endpoint.url.removesuffix("/metrics")
        assert get(base)[0] == 200
        assert get(f"{base}/api/v1/status")[0] == 404
        with pytest.raises(urllib.error.HTTPError, match="501"):  # it is to be read
            urllib.request.urlopen(urllib.request.Request(endpoint.url, data=b"{}", method="POST"))


def test_who_sends_nonsense_or_nothing_or_comes_in_a_crowd_stops_nobody() -> None:
    with scraped(seen_once()) as endpoint:
        host, _, port = endpoint.url.removeprefix("http://").removesuffix("/metrics").partition(":")
        where = (host, int(port))
        with socket.create_connection(where) as odd:
            odd.sendall(b"\x16\x03\x01\x02\x00" + bytes(300) + b"\r\n\r\n")
            assert odd.recv(100).startswith((b"HTTP/1.1 400", b"<!DOCTYPE"))
        silent = [socket.create_connection(where) for _ in range(8)]
        try:
            assert get(endpoint.url)[0] == 200
        finally:
            for each in silent:
                each.close()
        crowd = [socket.create_connection(where) for _ in range(40)]
        for each in crowd:
            each.close()
        deadline_s = time.monotonic() + 10
        while True:
            try:
                assert get(endpoint.url)[0] == 200
                break
            except (OSError, http.client.HTTPException):
                assert time.monotonic() < deadline_s
                time.sleep(0.05)


def test_who_says_a_letter_now_and_then_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orbitmesh.emulator.metrics.endpoint._MOST_S", 0.3)
    with scraped(seen_once()) as endpoint:
        host, _, port = endpoint.url.removeprefix("http://").removesuffix("/metrics").partition(":")
        with socket.create_connection((host, int(port))) as slow:
            slow.settimeout(0.02)  # far below the endpoint's patience with who says nothing
            deadline_s = time.monotonic() + 20
            while True:
                assert time.monotonic() < deadline_s, "it is still listened to"
                try:
                    slow.sendall(b"G")
                    if slow.recv(1) == b"":
                        break
                except TimeoutError:
                    continue
                except OSError:
                    break


def test_elsewhere_only_by_tls_and_with_the_token(tmp_path: Path) -> None:
    ours = Certificates(tmp_path)
    files = {"certificate": ours.cert, "key": ours.key, "token": ours.token}
    with pytest.raises(InputError, match="whoever reaches it could read the mesh: give --tls-cert"):
        Listening.open("0.0.0.0:0", certificate=None, key=None, risk="read the mesh")
    found = Listening.open("127.0.0.1:0", **files, risk="read the mesh")
    from orbitmesh.emulator.metrics.endpoint import serving

    context = ssl.create_default_context(cafile=str(ours.ca))
    token = ours.token.read_text().strip()
    with found.socket, serving(found.socket, seen_once(), found.tls) as endpoint:
        assert endpoint.url.startswith("https://")
        assert get(endpoint.url, context)[0] == 401
        assert get(endpoint.url, context, Authorization="Bearer wrong")[0] == 401
        assert get(endpoint.url, context, Authorization=f"Bearer {token}")[0] == 200
        with pytest.raises((urllib.error.URLError, ConnectionError, http.client.HTTPException)):
            get(endpoint.url.replace("https", "http"))
        assert get(endpoint.url, context, Authorization=f"Bearer {token}")[0] == 200


def test_a_caller_without_a_certificate_is_refused_where_one_is_asked_for(tmp_path: Path) -> None:
    ours = Certificates(tmp_path)
    found = Listening.open("127.0.0.1:0", certificate=ours.cert, key=ours.key, client_ca=ours.ca)
    from orbitmesh.emulator.metrics.endpoint import serving

    context = ssl.create_default_context(cafile=str(ours.ca))
    with found.socket, serving(found.socket, seen_once(), found.tls) as endpoint:
        with pytest.raises((OSError, http.client.HTTPException)):
            get(endpoint.url, context)
        cert, key = ours.of("prometheus")
        context.load_cert_chain(cert, key)
        assert get(endpoint.url, context)[0] == 200


def test_a_port_in_use_is_said_and_who_has_it_can_be_found() -> None:
    with listening("127.0.0.1", 0, "--port") as tcp:
        port = tcp.getsockname()[1]
        with pytest.raises(
            FailureError, match=f"--metrics: port {port} of 127.0.0.1 is in use: take another"
        ):
            listening("127.0.0.1", port, "--metrics")


def test_scrapes_while_the_feed_goes_on_and_at_its_very_begin() -> None:
    seen, failed = Seen(), []

    def scrape_on() -> None:
        try:
            for _ in range(10):
                assert get(endpoint.url)[0] == 200
        except Exception as error:
            failed.append(error)

    with scraped(seen) as endpoint:
        threads = [threading.Thread(target=scrape_on) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failed
