"""Report what an encoding loses on a piece, and which settings would lose less.

`Encoder.report` makes a `Report`; `musegen doctor` prints it. Its JSON (`Report.to_dict`):

===============  ==================================================================================
key              value
===============  ==================================================================================
verdict          the report in one line
error            why the piece cannot be encoded, or null. If there is an error, `notes.dropped`
                 tells what prevents it, and all other numbers are those of the rest
config           the encoder's settings
vocabulary       number of tokens that the encoding has
tokens           number of tokens of the encoded piece; null if there is an error
notes            `in_file`, `kept`, `dropped` (`drums`: the encoding has none; `tracks`: beyond its
                 parts; `length`: the piece is too long), `merged` (of one pitch in one voice on one
                 step only the longest stays) and among these `doubled` (they begin on the tick of
                 another). Of those kept, `clipped` (cut short by the next of the same pitch) and
                 `lengthened` (less than half a step, now one). kept + dropped + merged = in_file
on_grid          shares of kept notes, 0 to 1, whose `onsets` and whose `ends` are exactly on a step
onset, duration  error of the kept notes in `ticks` and in `ms` (by the file's tempo map): spreads
velocity         `carried`; `error` in MIDI units: a spread
tempo            `carried`; number `in_file` and `kept`; `error` in beats per minute, each of the
                 file's tempos counted once: a spread, or null for an encoding in seconds
seconds          when the last kept note ends, `in_file` and `kept`: the effect of rounded tempos
meters           `carried`; number `in_file`; `approximated`: a list of
                 `{"from": "6/2", "to": "3/2"}`; `cut_short`: bars that another meter ends early,
                 which become meters of their own
tracks           with notes: number `in_file`, `dropped` with all their notes, and `kept` apart; the
                 others are merged
programs         tracks that keep their notes but not their program: `lost`, and for drums
                 `drum_kits`; and programs and kits that are `dropped` with their tracks
pedal            `presses` of the sustain pedal; whether they are `applied`; `notes_held` by it
not_carried      events that no setting carries: a list of `kind` (`controller`, `message`, `meta`),
                 `number` (a controller's, or null), `name`, `count`
counted          whether these were counted in a MIDI file; of other sources, only names and keys
                 are known
suggestions      a list of `change` (setting: value), `gains` and `costs` (loss: `before`, `after`;
                 the names are those of `LOSSES`), and the resulting `vocabulary` and `tokens`. A
                 loss that grows only because more notes are kept is not a cost
===============  ==================================================================================

A spread is `mean`, `median` and `max` of absolute values. The piece is measured as it sounds: where
the encoding applies the sustain pedal, a note lasts as long as the pedal holds it.
"""

from musegen.encoding.report.diagnosing import diagnose
from musegen.encoding.report.losses import LOSSES, losses
from musegen.encoding.report.report import Report, Spread, Suggestion

__all__ = ["LOSSES", "Report", "Spread", "Suggestion", "diagnose", "losses"]
