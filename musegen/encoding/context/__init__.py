"""Features derived from the tokens so far: the position in the bar and the sounding notes.

A network may receive, with each token, a row of small non-negative integers that follow from the
tokens up to and including that one. It then need not learn to count beats, nor remember how long
each part holds its note. The columns and their sizes depend on the number of parts, and on whether
the network looks back:

=============  ======  ================================================  =======================
column         values  metric                                            performance
=============  ======  ================================================  =======================
bar            9       1 + bar in a phrase of eight; 0 before the first  0
quarter        9       1 + quarter of the bar; 0 before a position       0
phase          97      1 + steps since the quarter; 0 before a position  since the last note-on
left           9       quarters to the barline, rounded up               0
meter          63      1 + index in `METERS`; 0 before the first         0
part           65      1 + the current part; 0 for none                  1
highest        129     1 + highest sounding pitch, else as `before`      the same
lowest         129     1 + lowest sounding pitch; 0 for none             the same
before         129     1 + the pitch that ended last (of several the     the same
                       highest); 0 for none yet
highest time   97      twelfths of a quarter until it ends               time since it began
lowest time    97      the same for the lowest                           the same
count          16      number of sounding pitches, up to 15              the same
alike          7       how many of the last tokens (levels of `ALIKE`)   the same
                       match at an earlier place; 0 for none
next           V + 1   1 + the token that followed there; 0 for none     the same
=============  ======  ================================================  =======================

From `highest` to `count` there is one column for each of the first parts; a performance is a single
part. A note sounds from the token that completes it: `duration`, or `note_on`. Times in a
performance are in steps that grow with their length; 0 means that nothing sounds. `alike` and
`next` have one column for each place in `LOOKBACKS`: see `musegen.encoding.context.lookback`.
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
from musegen.encoding.context.lookback import History
from musegen.encoding.context.pieces import context, context_of

__all__ = [
    "ALIKE",
    "ALONE",
    "LOOKBACKS",
    "WIDTH",
    "Context",
    "History",
    "View",
    "context",
    "context_of",
    "metric_columns",
    "performance_columns",
    "row",
    "since",
    "until",
]
