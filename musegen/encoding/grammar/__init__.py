"""Which tokens may come next: the part of an encoding's rules that depends on what came before.

A grammar reads tokens one by one and says, at any moment, which tokens keep the sequence
canonical: one that `Encoder.encode` could have written. Sampling from those alone makes stuck,
overlapping or empty notes impossible by construction, whatever the weights and the temperature.

Given a `length`, it also leads to an end exactly there: no note reaches past it, and `end` is
allowed nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence

from musegen.encoding.grammar.common import Grammar, Mask, Note
from musegen.encoding.grammar.metric import MetricGrammar
from musegen.encoding.grammar.performance import BAR, PerformanceGrammar
from musegen.encoding.vocabulary import Vocabulary

__all__ = [
    "BAR",
    "Grammar",
    "Mask",
    "MetricGrammar",
    "Note",
    "PerformanceGrammar",
    "allowed",
    "grammar",
]


def grammar(vocabulary: Vocabulary) -> MetricGrammar | PerformanceGrammar:
    """Return the grammar of a vocabulary, before `start`."""
    kind = PerformanceGrammar if vocabulary.config.encoding == "performance" else MetricGrammar
    return kind(vocabulary)


def allowed(rows: Sequence[Grammar]) -> Mask:
    """Return `bool[B, V]`: the tokens that may come next in each of some places, all of one vocabulary."""
    return type(rows[0]).allowed_in(rows)
