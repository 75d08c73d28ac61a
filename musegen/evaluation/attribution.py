"""Attribute each token of a piece to the note that it encodes.

============================  ====================================================================
metric                        belongs to
============================  ====================================================================
position, tempo               the next note, if it begins there; otherwise to none
part, program                 the next note
pitch, drum                   the note
velocity, hold, duration      the note before
start, bar, time_signature    none
end                           none
============================  ====================================================================

============================  ====================================================================
performance                   belongs to
============================  ====================================================================
note_on, note_off             the note that begins or ends
time_shift, velocity          the note that begins or ends next; none if there is none
start, end                    none
============================  ====================================================================
"""

from __future__ import annotations

import numpy as np

from musegen.encoding.rows import latest
from musegen.encoding.vocabulary import Tokens, Vocabulary
from musegen.utils.arrays import Ints

__all__ = ["owners"]


def owners(tokens: Tokens, vocabulary: Vocabulary) -> Ints:
    """Return the note that each token belongs to, `int64[T]`: counted from 0, −1 for none.

    Args:
        tokens: The encoding of a whole piece, `int32[T]`.
        vocabulary: The meaning of the tokens.

    >>> from musegen import Score, Track, load
    >>> encoder = load("folk").encoder
    >>> score = Score(notes=[(0, 480, 60, 80, 0), (480, 480, 64, 80, 0)], tracks=[Track()])
    >>> tokens = encoder.encode(score)
    >>> print(*encoder.events(tokens)[2:], sep=", ")
    time_signature 4/4, position 0, pitch 60, duration 12, position 12, pitch 64, duration 12, end
    >>> owners(tokens, encoder.vocabulary)[2:].tolist()
    [-1, 0, 0, 0, 1, 1, 1, -1]
    """
    performance = vocabulary.config.encoding == "performance"
    return (_performance if performance else _metric)(tokens, vocabulary)


def _metric(tokens: Tokens, vocabulary: Vocabulary) -> Ints:
    pitches = vocabulary.notes[tokens]
    begun = pitches.cumsum()
    after = vocabulary.of("velocity", "hold", "duration")[tokens]
    out = np.where(pitches | after, begun - 1, -1)

    # Tokens before a pitch belong to its note only if no bar, position or end comes between
    before = vocabulary.of("position", "tempo", "part", "program")[tokens].nonzero()[0]
    before = before[begun[before] < begun[-1]]
    next_note = begun[before]
    moment = vocabulary.of("position", "bar", "end")[tokens].cumsum()
    here = moment[pitches.nonzero()[0][next_note]] == moment[before]
    out[before[here]] = next_note[here]
    return out


def _performance(tokens: Tokens, vocabulary: Vocabulary) -> Ints:
    begins = vocabulary.notes[tokens]
    events = (begins | vocabulary.of("note_off")[tokens]).nonzero()[0]

    # Sorted by pitch, then time: an event belongs to the latest note_on of its pitch
    order = events[vocabulary.values[tokens[events]].argsort(kind="stable")]
    last = latest(begins[order])
    out = np.full(len(tokens), -1)
    out[order] = begins.cumsum()[order[last]] - 1

    # Shifts and velocities belong to the note of the next event
    leads = vocabulary.of("time_shift", "velocity")[tokens].nonzero()[0]
    leads = leads[leads < events[-1]] if len(events) else leads[:0]
    out[leads] = out[events[events.searchsorted(leads)]]
    return out
