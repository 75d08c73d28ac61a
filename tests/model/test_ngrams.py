"""N-grams: against numbers worked out by hand, and against dictionaries."""

import math
from collections import Counter, defaultdict
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen import ConfigError, EncoderConfig
from musegen.encoding.vocabulary import Vocabulary
from musegen.model.ngrams import NGrams


class Slow:
    """The same, the obvious way."""

    def __init__(self, pieces, size, order):
        self.size, self.order = size, order
        self.follow = defaultdict(Counter)
        for piece in pieces:
            for t in range(1, len(piece)):
                for length in range(min(order - 1, t) + 1):
                    self.follow[tuple(piece[t - length : t])][piece[t]] += 1

    def p(self, history, token):
        history = tuple(history)
        shorter = self.p(history[1:], token) if history else 1 / self.size
        seen = self.follow.get(history)
        if not seen:
            return shorter
        return (seen[token] + len(seen) * shorter) / (seen.total() + len(seen))

    def nats(self, piece):
        return [
            -math.log(self.p(piece[max(0, t - self.order + 1) : t], piece[t]))
            for t in range(1, len(piece))
        ]


SIZE = 7
piece = st.lists(st.integers(0, SIZE - 2), min_size=0, max_size=25).map(
    lambda tokens: [SIZE - 1, *tokens]
)
corpora = st.lists(piece, min_size=1, max_size=6)


def arrays(pieces):
    return [np.array(piece, np.int32) for piece in pieces]


@settings(max_examples=200, deadline=None)
@given(corpora, st.lists(piece, max_size=4), st.integers(1, 8))
def test_it_is_what_dictionaries_give(train, test, order):
    fitted = NGrams(arrays(train), SIZE, order)
    found = fitted.nats(arrays(test))
    assert found.shape == (order, sum(len(piece) - 1 for piece in test))
    for k in range(1, order + 1):
        slow = Slow(train, SIZE, k)
        assert found[k - 1] == pytest.approx(
            [x for piece in test for x in slow.nats(piece)], rel=1e-12
        )


@settings(max_examples=100, deadline=None)
@given(corpora, piece, st.integers(1, 8))
def test_probabilities_sum_to_one(train, history, order):
    fitted = NGrams(arrays(train), SIZE, order)
    last = np.array([fitted.nats([np.array([*history, token])])[:, -1] for token in range(SIZE)])
    assert np.exp(-last).sum(axis=0) == pytest.approx(np.ones(order), rel=1e-12)


def test_by_hand():
    # Tokens 0 1 2, 3 is `start`; the pieces are 0 1 and 0 2.
    fitted = NGrams(arrays([[3, 0, 1], [3, 0, 2]]), 4, 3)
    # Unigram: N = 4, three kinds. p(0) = (2 + 3/4) / 7, p(1) = (1 + 3/4) / 7, p(3) = (3/4) / 7.
    found = np.exp(-fitted.nats(arrays([[3, 0, 1]])))
    assert found[0] == pytest.approx([2.75 / 7, 1.75 / 7])
    # After start twice 0, one kind: (2 + p(0)) / 3. After 0 once 1, once 2: (1 + 2 p(1)) / 4.
    bigram = [(2 + 2.75 / 7) / 3, (1 + 2 * 1.75 / 7) / 4]
    assert found[1] == pytest.approx(bigram)
    # Trigram: nothing stands before start; after (start, 0) the same counts once more.
    assert found[2] == pytest.approx([bigram[0], (1 + 2 * bigram[1]) / 4])
    # (1, 0) never occurred, so what 0 says counts; after 1, which always ended a piece, the
    # unigram.
    found = np.exp(-fitted.nats(arrays([[3, 1, 0, 2]])))
    assert found[2][2] == pytest.approx(bigram[1])
    assert found[2][1] == found[1][1] == pytest.approx(2.75 / 7)


def test_the_best_order_is_that_of_the_music():
    """The next token is the sum of the last two (mod 5), which only a trigram can predict."""
    rng = np.random.default_rng(0)
    pieces = []
    for _ in range(80):
        tokens = [5, *rng.integers(0, 5, 2).tolist()]
        for _ in range(30):
            tokens.append(
                (tokens[-1] + tokens[-2]) % 5 if rng.random() < 0.9 else int(rng.integers(5))
            )
        pieces.append(tokens)
    fitted = NGrams(arrays(pieces[:60]), 6)
    nats = fitted.nats(arrays(pieces[60:])).mean(axis=1)
    assert fitted.best(arrays(pieces[60:])) == 3 == nats.argmin() + 1
    assert nats[2] < 0.8 < 1.5 < nats[1]
    # Noise has no order: what is seen beside a token is chance.
    noise = [np.concatenate([[9], rng.integers(0, 9, 60)]) for _ in range(40)]
    assert NGrams(noise[:30], 10).best(noise[30:]) == 1


def test_a_predictor_is_one_row():
    vocabulary = Vocabulary(EncoderConfig(encoding="performance"))
    pieces = arrays([[388, 1, 2, 3, 389], [388, 1, 2, 4, 389]])
    fitted = NGrams(pieces, len(vocabulary), 3)
    for order in (1, 2, 3):
        assert (
            fitted.predictor(order)(pieces[0], vocabulary).tolist()
            == fitted.nats(pieces[:1])[order - 1].tolist()
        )
    for order in (0, 4):
        with pytest.raises(ConfigError, match=f"order must be 1 to 3. Received: {order}"):
            fitted.predictor(order)


def test_what_cannot_be_fitted():
    with pytest.raises(ConfigError, match=r"must be >= 1\. Received: 0"):
        NGrams(arrays([[3, 0]]), 4, 0)
    with pytest.raises(ConfigError, match="at least one piece"):
        NGrams([], 4, 2)


def test_long_pieces_take_no_loop_over_tokens():
    """Dictionaries take about a minute for this."""
    rng = np.random.default_rng(0)
    pieces = [np.append(389, np.minimum(rng.geometric(0.05, 1000), 388)) for _ in range(300)]
    begun = process_time()
    fitted = NGrams(pieces, 390, 6)
    assert fitted.nats(pieces[:50]).shape == (6, 50_000)
    assert process_time() - begun < 20
