"""The server against those who mean it no good: hosts, origins, tokens, nonsense, floods."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import ssl
import sys
from pathlib import Path

import pytest
from web_lab import TOKEN, Still, opened, page_in, pb, run, served
from web_lab import Viewer as Looking
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from orbitmesh.emulator.control.api import credentials
from orbitmesh.emulator.errors import FailureError, InputError
from orbitmesh.emulator.web import server as server_module
from orbitmesh.emulator.web.files import Page
from orbitmesh.emulator.web.listening import WebListening, WebOptions
from orbitmesh.emulator.web.security import wrong_host, wrong_origin
from orbitmesh.emulator.web.server import Server

sys.path.insert(0, str(Path(__file__).parents[1] / "control"))
from api_lab import Certificates


async def closed(page: Looking, *messages: bytes | str) -> tuple[int, str]:
    """How it is closed after what it says: the code, and why."""

    async def talk() -> None:
        for message in messages:
            await page.socket.send(message)
        while True:
            await page.read()

    with pytest.raises(ConnectionClosed) as caught:
        await talk()
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason


def get(port: int, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def test_files_are_compressed_kept_and_guarded(tmp_path: Path) -> None:
    async def work() -> None:
        async with served(Still(), page_in(tmp_path / "page")) as port:
            status, headers, body = await asyncio.to_thread(get, port)
            assert (status, headers["content-type"], body) == (
                200, "text/html; charset=utf-8", b"<!doctype html><title>orbitmesh</title>",
            )  # fmt: skip
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "unsafe" not in headers["content-security-policy"]
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cross-origin-opener-policy"] == "same-origin"
            assert headers["cross-origin-resource-policy"] == "same-origin"
            assert "server" not in headers
            assert headers["cache-control"] == "no-cache"
            again = await asyncio.to_thread(get, port, If_None_Match=headers["etag"])
            assert (again[0], again[2]) == (304, b"")
            for accepted, encoding, sent in (
                ("gzip, deflate, br", "br", b"brotli"), ("gzip", "gzip", b"gzipped"),
                ("identity", None, b"console.log(1);" * 50), ("br;q=0, gzip", "gzip", b"gzipped"),
            ):  # fmt: skip
                status, headers, body = await asyncio.to_thread(
                    get, port, "/main-ABCDEF12.js?x=1", Accept_Encoding=accepted
                )
                assert (status, headers.get("content-encoding"), body) == (200, encoding, sent)
                assert headers["cache-control"] == "public, max-age=31536000, immutable"
                assert headers["content-type"].startswith("text/javascript")
            for path in (
                "/../../etc/passwd",
                "/main-ABCDEF12.js.gz",
                "//index.html",
                "/%2e%2e/x",
                "/nothing",
            ):
                status, headers, _ = await asyncio.to_thread(get, port, path)
                assert status == 404, path
                assert "content-security-policy" in headers
            assert (await asyncio.to_thread(get, port, "/", "POST"))[0] >= 400

    run(work)


def test_names_and_origins_of_others_are_refused(tmp_path: Path) -> None:
    async def work() -> None:
        source = Still()
        async with served(source, page_in(tmp_path / "page")) as port:
            for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "169.254.1.1", ""):
                status, headers, body = await asyncio.to_thread(get, port, Host=host)
                assert status == 421, host
                assert b"orbitmesh" not in body
                assert "content-security-policy" in headers
            for host in (f"localhost:{port}", "[::1]:99", "127.0.0.1", "LOCALHOST:9"):
                assert (await asyncio.to_thread(get, port, Host=host))[0] == 200, host
            for origin in (
                "https://evil.example",
                "null",
                f"http://localhost:{port}",
                f"https://127.0.0.1:{port}",
            ):
                with pytest.raises(InvalidStatus, match="403"):
                    async with opened(port, additional_headers={"Origin": origin}):
                        pass
            async with opened(port, additional_headers={"Origin": f"http://127.0.0.1:{port}"}) as page:
                await page.enter()
                await page.until(lambda: "answer" in page.news, "an answer")
            assert source.asked == []

    run(work)
    assert wrong_host("evil.example", over_tls=True) is None  # the certificate says by which names
    assert wrong_host(None, over_tls=True) is not None
    assert wrong_origin("https://a:1", "a:1", over_tls=True) is None
    assert wrong_origin("http://a:1", "a:1", over_tls=True) is not None


def test_only_the_token_lets_in_and_a_guess_takes_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "ENTER_S", 0.5)

    async def refused(port: int, *messages: bytes | str) -> tuple[int, str]:
        async with opened(port) as page:
            found = await closed(page, *messages)
            assert page.came == []
            return found

    async def work() -> None:
        source = Still()
        async with served(source, page_in(tmp_path / "page")) as port:
            loop = asyncio.get_running_loop()
            for token in ("", TOKEN[:-1], TOKEN + "x", "ü", "x" * 60_000):
                began_s = loop.time()
                guess = pb.ToServer(number=1, enter=pb.Enter(token=token)).SerializeToString()
                code, reason = await refused(port, guess)
                assert code == 4401
                assert "token is wrong" in reason
                assert loop.time() - began_s >= server_module.WRONG_TOKEN_S
            # no refusal: a browser that is slow tries again
            assert await refused(port) == (4408, "the page said nothing for 0.5 s")
            for nonsense in (
                b"",
                b"\xff" * 40,
                "text",
                pb.ToServer(number=1, pause=pb.Pause()).SerializeToString(),
            ):
                code, reason = await refused(port, nonsense)
                assert code == 4401
                assert "Enter" in reason
            code, _ = await refused(port, b"\0" * (server_module.MOST_MESSAGE_BYTES + 1))
            assert code == 1009  # too big
            assert source.viewers == []
            assert source.asked == []

    run(work)


def test_who_floods_or_sends_nonsense_is_closed_and_others_go_on(tmp_path: Path) -> None:
    async def work() -> None:
        source = Still()
        async with served(source, page_in(tmp_path / "page")) as port, opened(port) as good:
            await good.enter()
            for flood, code in (
                ([pb.ToServer(number=i, show=pb.Show()).SerializeToString() for i in range(500)], 1008),
                ([b"\xff\xff\xff"], 4400),
                (["text"], 4400),
                ([pb.ToServer(number=2).SerializeToString()], 4400),
                ([pb.ToServer(number=2, enter=pb.Enter(token=TOKEN)).SerializeToString()], 4400),
            ):
                async with opened(port) as bad:
                    await bad.enter()
                    assert (await closed(bad, *flood))[0] == code
            assert len(source.asked) <= server_module.MOST_ASKS_TOGETHER + 40
            assert (await good.ask(pause=pb.Pause())).error == "it <b>cannot</b> be paused"  # text, as it is
            assert (await good.ask(resume=pb.Resume())).error == "the server failed: ZeroDivisionError"
            assert (await good.ask(show=pb.Show())).error == ""
            # bytes that are no HTTP at all
            for data in (
                b"\x16\x03\x01\x02\x00",
                b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 5000,
                b"\0" * 100_000,
            ):
                with (
                    socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
                    contextlib.suppress(OSError),
                ):
                    raw.sendall(data)
            assert (await good.ask(show=pb.Show())).error == ""

    run(work)


def test_no_more_than_so_many_look_and_their_place_is_free_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "MOST_VIEWERS", 3)

    async def work() -> None:
        source = Still()
        async with served(source, page_in(tmp_path / "page")) as port:
            async with contextlib.AsyncExitStack() as stack:
                for _ in range(3):
                    page = await stack.enter_async_context(opened(port))
                    await page.enter()
                    await page.until(lambda page=page: "answer" in page.news, "an answer")
                async with opened(port) as more:
                    right = pb.ToServer(number=1, enter=pb.Enter(token=TOKEN)).SerializeToString()
                    code, reason = await closed(more, right)
                    assert code == 1013
                    assert "3 look already" in reason
            while source.viewers:
                await asyncio.sleep(0.01)
            async with opened(port) as page:
                await page.enter()
                await page.until(lambda: "answer" in page.news, "an answer")

    run(work)


def test_who_has_the_token_gets_in_beside_guesses_and_silent_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any user of this machine can do both, and must lock nobody out."""
    monkeypatch.setattr(server_module, "MOST_WAITING", 8)
    monkeypatch.setattr(server_module, "MOST_GUESSES", 2)
    guess = pb.ToServer(number=1, enter=pb.Enter(token="x")).SerializeToString()

    async def work() -> None:
        async with (
            served(Still(), page_in(tmp_path / "page")) as port,
            contextlib.AsyncExitStack() as stack,
        ):
            loop = asyncio.get_running_loop()
            began_s = loop.time()
            guessing = [await stack.enter_async_context(opened(port)) for _ in range(5)]
            for each in guessing:
                await each.socket.send(guess)
            async with opened(port) as page:
                await page.enter()
                await page.until(lambda: "answer" in page.news, "an answer")
            for each in guessing:
                assert (await closed(each))[0] == 4401
            assert loop.time() - began_s >= 3 * server_module.WRONG_TOKEN_S  # two at a time
            silent = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(20)]
            async with opened(port) as page:
                await page.enter()
                await page.until(lambda: "answer" in page.news, "an answer")
                for each in silent[:12]:  # let go, for those who came after them
                    with contextlib.suppress(ConnectionResetError):
                        assert each.recv(1) == b""
                # who looks makes room for nobody
                silent += [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(20)]
                assert (await page.ask(show=pb.Show())).error == ""
            for each in silent:
                each.close()

    run(work)


def test_where_it_cannot_be_served_is_said_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FailureError, match=r"the page is not built .* call ./mesh"):
        Page(tmp_path)
    page_in(tmp_path / "page")
    monkeypatch.setattr("orbitmesh.emulator.web.listening.Page.check", lambda: None)
    with WebListening.here(0, TOKEN).socket as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            FailureError, match=f"--port: port {port} of 127.0.0.1 is in use: take another, or 0"
        ):
            WebListening.open(WebOptions(port))
    with pytest.raises(InputError, match="--tls-cert and --tls-key, or let a tunnel"):
        WebListening.open(WebOptions(address="0.0.0.0:0"))
    with pytest.raises(InputError, match="is no address: write HOST:PORT"):
        WebListening.open(WebOptions(address="here"))
    with pytest.raises(InputError, match="belong together"):
        WebListening.open(WebOptions(tls_cert=tmp_path / "cert"))
    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text("short")
    with pytest.raises(InputError, match=r"--token-file: .* at least 16 characters"):
        WebListening.open(WebOptions(0, token_file=token))
    token.write_text("a-word-of-more-than-16\n")
    listening = WebListening.open(WebOptions(0, token_file=token))
    assert (
        listening.url == f"http://127.0.0.1:{listening.socket.getsockname()[1]}/#token=a-word-of-more-than-16"
    )
    listening.close()
    tokens = set()
    for _ in range(3):
        listening = WebListening.open(WebOptions(0))
        tokens.add(listening.token)
        assert len(listening.token) >= 43
        listening.close()
    assert len(tokens) == 3


def test_it_is_served_over_tls_to_whoever_trusts_its_certificate(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    tls = credentials.server_context(certificates.cert.read_bytes(), certificates.key.read_bytes())
    trusted = ssl.create_default_context(cafile=str(certificates.ca))

    async def work() -> None:
        listening, until = WebListening.here(0, TOKEN), asyncio.Event()
        port = listening.socket.getsockname()[1]
        server = Server(Still(), page_in(tmp_path / "page"), TOKEN, tls=tls)
        serving = asyncio.create_task(server.serve(listening.socket, until))
        address, origin = f"wss://localhost:{port}/ws", f"https://localhost:{port}"
        async with connect(address, ssl=trusted, proxy=None, origin=origin) as socket_:  # type: ignore[arg-type]
            page = Looking(socket_)
            await page.enter()
            await page.until(lambda: "answer" in page.news, "an answer")
        with pytest.raises(InvalidStatus, match="403"):
            async with connect(address, ssl=trusted, proxy=None, origin=f"http://localhost:{port}"):  # type: ignore[arg-type]
                pass
        with pytest.raises(ssl.SSLError):
            async with connect(address, proxy=None):
                pass
        until.set()
        await serving

    run(work)
