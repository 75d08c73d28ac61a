"""What the tokens so far say for nothing: where in the bar the music is, and what sounds.

A network may see, beside each token, a row of small whole numbers that follow from the tokens up to
and with that one. It need not learn to count beats, nor remember for how long each part holds its
note. The columns and their sizes depend on the number of parts, and whether it looks back:

=============  ======  ======================================================  ===========================
column         values  metric                                                  performance
=============  ======  ======================================================  ===========================
bar            9       1 + bar of a phrase of eight; 0 before the first        0
quarter        9       1 + quarter of the bar; 0 while no position was said    0
phase          97      1 + steps since the quarter; 0 while no position …      since the last note began
left           9       quarters to the barline, rounded up                     0
meter          63      1 + index in `METERS`; 0 while none was said            0
part           65      1 + the part that is spoken of; 0 for none              1
highest        129     1 + highest pitch that sounds; if none does, the one that ended last; 0 for none yet
lowest         129     1 + lowest pitch that sounds; 0 for none
before         129     1 + the pitch that ended last, of several together the highest; 0 for none yet
highest time   97      twelfths of a quarter that it will sound                how long it has sounded
lowest time    97      the same of the lowest
count          16      how many pitches sound, up to 15
alike          7       how many of the last tokens, `ALIKE`, are the same at an earlier place; 0 for none
next           V + 1   1 + the token that came next there; 0 if there is no such place
=============  ======  ======================================================  ===========================

From `highest` to `count` there is a column for each of the first parts; a performance is one part.
A note sounds from the token that says all of it: `duration`, or `note_on`. Times of a performance
are in steps that grow with their length; 0 means that nothing sounds. `alike` and `next` have a
column for each of the places that are looked back to, `LOOKBACKS`: see
`musegen.encoding.context.lookback`.
"""

from __future__ import annotations

from musegen.encoding.context.columns import (
    Context,
    metric_columns,
    performance_columns,
    row,
    since,
    until,
)
from musegen.encoding.context.layout import ALIKE, ALONE, LOOKBACKS, WIDTH, View
from musegen.encoding.context.lookback import Heard
from musegen.encoding.context.pieces import beside, context

__all__ = [
    "ALIKE",
    "ALONE",
    "LOOKBACKS",
    "WIDTH",
    "Context",
    "Heard",
    "View",
    "beside",
    "context",
    "metric_columns",
    "performance_columns",
    "row",
    "since",
    "until",
]
