"""The likelihood of tokens under a network, and under baselines that need none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from musegen.encoding import gaps
from musegen.encoding.context import Context, View, context_of
from musegen.encoding.gaps import LONGEST, Gap
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.model.blas import one_thread
from musegen.model.interface import SequenceNetwork
from musegen.utils.arrays import Floats, Ints

__all__ = [
    "Likelihood",
    "Predictor",
    "bigram",
    "evaluate",
    "gap_nats",
    "log_softmax",
    "model",
    "piece_nats",
    "row_nats",
    "token_nats",
    "uniform",
]

STRETCH = 1024  # tokens computed at once; the state is carried on, so it only bounds memory
PREFIX = 1024  # tokens before a gap that the network processes, about
AT_ONCE = 16_384  # tokens of gap windows, or of pieces, in a batch
ROWS = 64  # pieces in a batch, at most

Predictor = Callable[[Tokens, Vocabulary], Floats]
"""Tokens `int32[T]`, their vocabulary → nats of each after the first, `float64[T − 1]`."""


@dataclass(frozen=True)
class Likelihood:
    """Nats summed over pieces: every token after `start` counts, also bars, positions and `end`."""

    nats: float
    tokens: int
    notes: int

    @property
    def per_note(self) -> float:
        """Nats per note, which do not depend on how many tokens a note takes."""
        return self.nats / max(self.notes, 1)

    @property
    def per_token(self) -> float:
        """Nats per token."""
        return self.nats / max(self.tokens, 1)


def log_softmax(logits: NDArray[np.floating]) -> Floats:
    """Return log-probabilities in nats, `float64`, over the last axis."""
    x = logits.astype(np.float64)
    x -= x.max(axis=-1, keepdims=True)
    x -= np.log(np.exp(x).sum(axis=-1, keepdims=True))
    return x


def token_nats(network: SequenceNetwork, tokens: Tokens, context: Context | None = None) -> Floats:
    """Return −log p of each token after the first, given all before it in its row.

    Args:
        network: One that continues music.
        tokens: `int32[B, T]`.
        context: The features after each token, `uint16[B, T, F]`; None for a network without
            context.

    Returns:
        `float64[B, T − 1]`.
    """
    state = network.initial_state(len(tokens))
    out = []
    for at in range(0, tokens.shape[1] - 1, STRETCH):
        follow = tokens[:, at + 1 : at + STRETCH + 1]
        now = slice(at, at + follow.shape[1])
        columns = None if context is None else context[:, now]
        logits, state = network.forward(tokens[:, now], state, columns)
        out.append(-np.take_along_axis(log_softmax(logits), follow[:, :, None], axis=2)[:, :, 0])
    return np.concatenate(out, axis=1) if out else np.zeros((len(tokens), 0))


def gap_nats(
    network: SequenceNetwork,
    cases: Sequence[tuple[Tokens, Gap]],
    vocabulary: Vocabulary,
    with_future: bool = True,
) -> list[Floats]:
    """Return −log p of each token of a gap and of the token that closes it.

    Args:
        network: One that fills gaps; or one that continues music, which is conditioned only on what
            precedes each gap.
        cases: Whole pieces, and a gap in each.
        vocabulary: The tokens' meanings.
        with_future: Whether a network that fills gaps is conditioned on what follows each gap.

    Returns:
        For each case, `float64[closes − opens]`.
    """
    windows = [
        gaps.window(tokens, gap, max(PREFIX, 2 * (gap.closes - gap.opens)), vocabulary)
        for tokens, gap in cases
    ]
    # Batches of windows of about the same length.
    lengths = np.array([len(window.tokens) for window in windows], np.int64)
    order = np.argsort(lengths)
    cuts = np.flatnonzero(np.diff(lengths[order].cumsum() // AT_ONCE)) + 1
    out = [np.zeros(0)] * len(cases)
    for batch in np.split(order, cuts) if len(order) else ():
        indices = batch.tolist()
        nats = _batch_nats(
            network,
            [windows[index] for index in indices],
            [cases[index] for index in indices],
            vocabulary,
            with_future and network.config.future > 0,
        )
        for index, row in zip(indices, nats, strict=True):
            out[index] = row
    return out


def _batch_nats(
    network: SequenceNetwork,
    windows: list[gaps.Window],
    cases: list[tuple[Tokens, Gap]],
    vocabulary: Vocabulary,
    with_future: bool,
) -> list[Floats]:
    """Compute what `gap_nats` returns for the windows of one batch."""
    # Pad the windows to the longest.
    view = View.of(network.config)
    shape = (len(windows), max(len(window.tokens) for window in windows))
    tokens, left = np.zeros((2, *shape), np.int32)
    columns = np.zeros((*shape, len(view.sizes)), np.uint16) if view else None
    for row, (window, (piece, gap)) in enumerate(zip(windows, cases, strict=True)):
        count = len(window.tokens)
        tokens[row, :count] = window.tokens
        left[row, :count] = window.left
        if columns is not None:
            columns[row, :count] = gaps.gap_context(
                piece, gap, window, vocabulary, view, with_future
            )

    # Condition a network that fills gaps on the futures, or on none.
    bars_left = None
    if network.config.future:
        futures = [
            window.future if with_future else gaps.withheld(vocabulary) for window in windows
        ]
        network, bars_left = network.conditioned_on(np.array(futures)), left
    state = network.initial_state(len(windows))
    logits, _ = network.forward(tokens, state, columns, bars_left)

    # Look up the targets inside the gaps.
    out = []
    for row_logits, window in zip(logits, windows, strict=True):
        inside = window.weight.nonzero()[0]
        p = log_softmax(row_logits[inside])
        out.append(-p[np.arange(len(inside)), window.targets[inside]])
    return out


@one_thread()
def row_nats(network: SequenceNetwork, rows: Tokens, vocabulary: Vocabulary) -> Floats:
    """Return −log p of each token after the first, for rows that begin with `start`.

    For a network that fills gaps, every `LONGEST` bars are a gap in an otherwise known piece. The
    first `bar`, which opens a gap, then costs nothing.

    Args:
        network: The network.
        rows: `int32[B, T]`.
        vocabulary: The tokens' meanings.

    Returns:
        `float64[B, T − 1]`.
    """
    if not network.config.future:
        return token_nats(network, rows, context_of(rows, vocabulary, View.of(network.config)))
    cases = [
        (index, Gap(opens, closes))
        for index, row in enumerate(rows)
        for lines in [gaps.borders(row, vocabulary)]
        for opens, closes in pairwise(np.unique(np.append(lines[::LONGEST], lines[-1:])).tolist())
    ]
    out = np.zeros((len(rows), rows.shape[1] - 1))
    nats = gap_nats(network, [(rows[index], gap) for index, gap in cases], vocabulary)
    for (index, gap), inside in zip(cases, nats, strict=True):
        out[index, gap.opens : gap.closes] = inside
    return out


def piece_nats(
    network: SequenceNetwork, pieces: Sequence[Tokens], vocabulary: Vocabulary
) -> Iterator[tuple[int, Floats]]:
    """Yield the index of each piece, and −log p of each of its tokens after the first.

    Pieces of about the same length share a batch, which takes half the time of one by one; they
    come in the order in which they are done. The batch changes the rounding of single precision:
    −log p of a token by about 1e-5 nats, the sum over a piece by less than a millionth.

    Args:
        network: The network.
        pieces: `int32[T]` each, from `start` to `end`.
        vocabulary: The tokens' meanings.

    Yields:
        Index and `float64[T − 1]`.
    """
    lengths: Ints = np.array([len(tokens) for tokens in pieces], np.int64)
    padding = vocabulary.first["end"]
    # The longest first: whether memory suffices shows at once.
    waiting = lengths.argsort(kind="stable")[::-1]
    while len(waiting):
        longest = int(lengths[waiting[0]])
        count = min(ROWS, max(1, AT_ONCE // min(longest, STRETCH)))
        if network.config.future:  # the windows of one piece are a batch
            count = 1
        batch, waiting = waiting[:count].tolist(), waiting[count:]
        rows = np.full((len(batch), longest), padding, np.int32)
        for row, index in zip(rows, batch, strict=True):
            row[: lengths[index]] = pieces[index]
        nats = row_nats(network, rows, vocabulary)
        for row_of_nats, index in zip(nats, batch, strict=True):
            yield index, row_of_nats[: lengths[index] - 1]


def model(network: SequenceNetwork) -> Predictor:
    """Return a trained network as a predictor."""
    return lambda tokens, vocabulary: row_nats(network, tokens[None], vocabulary)[0]


def uniform(vocabulary: Vocabulary) -> Predictor:
    """Return a predictor to which every token is equally likely."""
    return lambda tokens, _: np.full(len(tokens) - 1, np.log(len(vocabulary)))


def bigram(pieces: Iterable[Tokens], vocabulary: Vocabulary) -> Predictor:
    """Return a predictor that knows only the last token: add-one counts, backed by the unigram.

    p(b | a) = (count(a b) + k·p(b)) / (count(a) + k) with k = 1 and p(b) add-one smoothed, the
    interpolation of MacKay and Peto 1995 with a fixed weight.

    Args:
        pieces: Pieces to count pairs in, `int[T]` each.
        vocabulary: Its size is that of the table.
    """
    size = len(vocabulary)
    pairs = np.zeros((size, size))
    for tokens in pieces:
        np.add.at(pairs, (tokens[:-1], tokens[1:]), 1)
    single = pairs.sum(0) + 1
    single /= single.sum()
    table = -np.log((pairs + single) / (pairs.sum(1, keepdims=True) + 1))
    return lambda tokens, _: table[tokens[:-1], tokens[1:]]


def evaluate(predictor: Predictor, pieces: Sequence[Tokens], vocabulary: Vocabulary) -> Likelihood:
    """Return the likelihood of pieces, summed over all of them (micro-average).

    Example:
        >>> import numpy as np
        >>> from musegen import Encoder, EncoderConfig
        >>> vocabulary = Encoder(EncoderConfig()).vocabulary
        >>> piece = np.array([vocabulary.first["start"], vocabulary.first["end"]])
        >>> found = evaluate(uniform(vocabulary), [piece], vocabulary)
        >>> found.tokens, bool(np.isclose(found.per_token, np.log(len(vocabulary))))
        (1, True)
    """
    nats = sum(float(predictor(tokens, vocabulary).sum()) for tokens in pieces)
    return Likelihood(
        nats=nats,
        tokens=sum(len(tokens) - 1 for tokens in pieces),
        notes=int(sum(vocabulary.notes[tokens].sum() for tokens in pieces)),
    )
