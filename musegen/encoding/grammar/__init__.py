"""Which tokens may come next, given the tokens so far.

A grammar reads tokens one by one and tells at each place which tokens keep the sequence canonical,
that is, one that `Encoder.encode` could have written. Sampling only from those makes stuck,
overlapping and empty notes impossible by construction, for any weights and temperature.

With a `length`, the grammar also makes the music end exactly there: no note reaches past it, and
`end` is allowed nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence

from musegen.encoding.grammar.common import Grammar, Mask, Note
from musegen.encoding.grammar.metric import IN_NOTE, MetricGrammar
from musegen.encoding.grammar.performance import BAR, PerformanceGrammar
from musegen.encoding.vocabulary import Vocabulary

__all__ = [
    "BAR",
    "IN_NOTE",
    "Grammar",
    "Mask",
    "MetricGrammar",
    "Note",
    "PerformanceGrammar",
    "allowed",
    "grammar",
]


def grammar(vocabulary: Vocabulary) -> MetricGrammar | PerformanceGrammar:
    """Return the grammar of a vocabulary, positioned before `start`.

    >>> from musegen import Encoder
    >>> vocabulary = Encoder().vocabulary
    >>> rules = grammar(vocabulary)
    >>> [str(vocabulary.event(token)) for token in rules.allowed().nonzero()[0]]
    ['start']
    """
    kind = PerformanceGrammar if vocabulary.config.encoding == "performance" else MetricGrammar
    return kind(vocabulary)


def allowed(rows: Sequence[Grammar]) -> Mask:
    """Return the tokens that may come next in each of B sequences, `bool[B, V]`.

    All must have the same vocabulary.
    """
    return type(rows[0]).allowed_in(rows)
