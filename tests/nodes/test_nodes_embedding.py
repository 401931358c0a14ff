"""Sentence embedding, where the extra "ai" is installed; and what is said where it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest

from orbitmesh.compute.v1 import compute_pb2
from orbitmesh.nodes import embedding
from orbitmesh.nodes.compute_service import ComputeService
from orbitmesh.nodes.decoder import Decoder
from orbitmesh.nodes.embedding import Embedder, NotInstalled, _gelu
from orbitmesh.nodes.probe_service import ProbeService
from orbitmesh.nodes.server import NodeServer
from orbitmesh.nodes.statistics import Statistics
from orbitmesh.nodes.stubs import compute_stub
from orbitmesh.nodes.worker import Worker

TEXTS = ("The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium.")


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    try:
        return Embedder.installed()
    except NotInstalled as error:
        pytest.skip(str(error))


def test_similarities_are_those_that_the_models_authors_publish(embedder: Embedder) -> None:
    """Of the three sentences in the documentation of Sentence Transformers, for all-MiniLM-L6-v2."""
    vectors = np.array([embedder.embed(text)[0] for text in TEXTS])
    published = [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]]
    assert vectors.shape == (3, 384)
    assert vectors @ vectors.T == pytest.approx(np.array(published), abs=1e-4)


def test_what_is_longer_than_the_model_reads_is_cut(embedder: Embedder) -> None:
    long, tokens = embedder.embed("word " * 5000)
    assert tokens == 256
    assert long @ embedder.embed("word " * 6000)[0] == pytest.approx(1.0)


def test_gelu_is_x_times_the_normal_distribution() -> None:
    from scipy.special import ndtr

    x = np.linspace(-8, 8, 1001, dtype=np.float32)
    assert _gelu(x) == pytest.approx(x * ndtr(x), abs=2e-6)


def asked(check: Callable[[Any], Any]) -> None:
    async def run() -> None:
        worker = Worker()
        service = ComputeService(worker, Decoder(1))
        server = NodeServer("127.0.0.1", ProbeService("sat-0-0", Statistics()), service, port=0)
        await server.start()
        async with grpc.aio.insecure_channel(f"ipv4:127.0.0.1:{server.port}") as channel:
            await check(compute_stub(channel))
        await server.stop(0)
        worker.close()

    asyncio.run(run())


def test_over_grpc(embedder: Embedder) -> None:
    async def check(stub: Any) -> None:
        answer = await stub.Embed(compute_pb2.EmbedRequest(text=TEXTS[0]), timeout=20)
        assert list(answer.vector) == pytest.approx(embedder.embed(TEXTS[0])[0].tolist(), abs=1e-6)
        assert answer.tokens == 8
        assert answer.timing.compute_ns > 0

    asked(check)


def test_where_the_extra_is_not_installed_a_call_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(embedding, "find_spec", lambda name: None)

    async def check(stub: Any) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Embed(compute_pb2.EmbedRequest(text="x"), timeout=20)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert "pip install" in (caught.value.details() or "")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Embed(compute_pb2.EmbedRequest(text=""), timeout=20)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT

    asked(check)
