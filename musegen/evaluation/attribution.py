"""Which note each token helps to say.

============================  ===========================================================================
metric                        belongs to
============================  ===========================================================================
position, tempo               the next note, if it begins there; else to none
part, program                 the next note
pitch, drum                   the note
velocity, hold, duration      the note before
start, bar, time_signature    none
end                           none
============================  ===========================================================================

============================  ===========================================================================
performance                   belongs to
============================  ===========================================================================
note_on, note_off             the note that begins or ends
time_shift, velocity          the note that begins or ends next; none if none does
start, end                    none
============================  ===========================================================================
"""

from __future__ import annotations

import numpy as np

from musegen.encoding.bundle import Column
from musegen.encoding.vocabulary import Tokens, Vocabulary

__all__ = ["owners"]


def owners(tokens: Tokens, vocabulary: Vocabulary) -> Column:
    """Return the note that each token of a piece helps to say, `int64[T]`: counted from 0, or −1 for none.

    Args:
        tokens: A whole encoding, `int32[T]`.
        vocabulary: What they mean.
    """
    played = vocabulary.config.encoding == "performance"
    return (_played if played else _written)(tokens, vocabulary)


def _written(tokens: Tokens, vocabulary: Vocabulary) -> Column:
    heads = vocabulary.notes[tokens]
    begun = heads.cumsum()
    after = vocabulary.of("velocity", "hold", "duration")[tokens]
    out = np.where(heads | after, begun - 1, -1)
    announces = vocabulary.of("position", "tempo", "part", "program")[tokens].nonzero()[0]
    announces = announces[begun[announces] < begun[-1]]
    follows = begun[announces]
    moment = vocabulary.of("position", "bar", "end")[tokens].cumsum()
    here = moment[heads.nonzero()[0][follows]] == moment[announces]
    out[announces[here]] = follows[here]
    return out


def _played(tokens: Tokens, vocabulary: Vocabulary) -> Column:
    begins = vocabulary.notes[tokens]
    events = (begins | vocabulary.of("note_off")[tokens]).nonzero()[0]
    # By pitch, in order of time: an event is of the note that began last.
    order = events[vocabulary.values[tokens[events]].argsort(kind="stable")]
    last = np.maximum.accumulate(np.where(begins[order], np.arange(len(order)), 0))
    out = np.full(len(tokens), -1)
    out[order] = begins.cumsum()[order[last]] - 1
    leads = vocabulary.of("time_shift", "velocity")[tokens].nonzero()[0]
    leads = leads[leads < events[-1]] if len(events) else leads[:0]
    out[leads] = out[events[events.searchsorted(leads)]]
    return out
