"""The decoder is a real one: causal, cached, seeded."""

from __future__ import annotations

import numpy as np
import pytest

from orbitmesh.nodes.decoder import VOCABULARY, Context, Decoder, choose, encode

PROMPT = encode("What does the customer on the ground get?")


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return Decoder(seed=1)


def test_its_size(decoder: Decoder) -> None:
    assert 200_000 < decoder.n_parameters < 500_000


def test_the_vocabulary_has_no_token_twice() -> None:
    assert len(set(VOCABULARY)) == len(VOCABULARY)


def test_encoding_loses_no_character_that_it_knows() -> None:
    text = "The ground, 25 deg: kalimera!\n"
    assert "".join(VOCABULARY[token_id] for token_id in encode(text)) == text
    assert "".join(VOCABULARY[token_id] for token_id in encode("5 µs")) == "5 ?s"


def test_a_cache_changes_nothing(decoder: Decoder) -> None:
    at_once = Context(decoder, len(PROMPT)).extend(PROMPT)
    one_by_one = Context(decoder, len(PROMPT))
    for token_id in PROMPT:
        scores = one_by_one.extend([token_id])
    # float32 sums of some hundred terms in another order
    np.testing.assert_allclose(scores, at_once, rtol=1e-3, atol=1e-4)


def test_a_token_does_not_see_what_follows(decoder: Decoder) -> None:
    """The scores after a prefix are the same whether the prefix came alone or was cut from a longer pass."""
    prefix, rest = PROMPT[:10], PROMPT[10:]
    alone = Context(decoder, 64)
    scores = alone.extend(prefix)
    other = Context(decoder, 64)
    np.testing.assert_array_equal(other.extend(prefix), scores)
    with_rest = other.extend(rest)
    np.testing.assert_allclose(with_rest, Context(decoder, 64).extend(PROMPT), rtol=1e-3, atol=1e-4)
    assert not np.allclose(with_rest, scores)


def test_positions_matter(decoder: Decoder) -> None:
    forward = Context(decoder, 8).extend(encode("kalo"))
    backward = Context(decoder, 8).extend(encode("loka")[::-1] + encode("ka"))
    assert not np.allclose(forward, backward)
    same_set = Context(decoder, 8).extend([5, 9, 7]), Context(decoder, 8).extend([9, 5, 7])
    assert not np.allclose(*same_set)


def test_the_same_seed_gives_the_same_tokens(decoder: Decoder) -> None:
    first = list(decoder.generate(PROMPT, 24, temperature=0.8, seed=4))
    assert first == list(Decoder(seed=1).generate(PROMPT, 24, temperature=0.8, seed=4))
    assert first != list(decoder.generate(PROMPT, 24, temperature=0.8, seed=5))
    assert first != list(Decoder(seed=2).generate(PROMPT, 24, temperature=0.8, seed=4))


def test_greedy_takes_the_likeliest(decoder: Decoder) -> None:
    (token_id,) = decoder.generate(PROMPT, 1)
    assert token_id == int(Context(decoder, 64).extend(PROMPT).argmax())
    assert list(decoder.generate(PROMPT, 8, seed=1)) == list(decoder.generate(PROMPT, 8, seed=2))


def test_temperature_spreads_the_choice(decoder: Decoder) -> None:
    scores = Context(decoder, 64).extend(PROMPT)
    random = np.random.default_rng(1)

    def distinct(temperature: float) -> int:
        return len({choose(scores, temperature, random) for _ in range(200)})

    assert distinct(0.0) == 1
    assert distinct(0.01) < distinct(0.8) < distinct(5.0)


def test_the_choice_follows_the_scores() -> None:
    random = np.random.default_rng(2)
    shares = np.array([0.5, 0.3, 0.2])
    drawn = [choose(np.log(shares).astype(np.float32), 1.0, random) for _ in range(10_000)]
    # four standard deviations of a share of 10,000 draws
    np.testing.assert_allclose(np.bincount(drawn) / 10_000, shares, atol=0.02)


def test_an_empty_prompt_is_a_newline(decoder: Decoder) -> None:
    assert list(decoder.generate([], 4)) == list(decoder.generate(encode("\n"), 4))


def test_the_weights_are_not_written_to(decoder: Decoder) -> None:
    with pytest.raises(ValueError, match="read-only"):
        decoder.embedding[0, 0] = 1
