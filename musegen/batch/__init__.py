"""Many pieces in one run: resumable, parallel, each the same as `musegen compose` makes it by itself.

============  ===========================================================================
module        what it does
============  ===========================================================================
`primers`     names, folders and patterns → files, and the checkpoint of each
`sweeping`    `temperature=0.7:1.2:0.1` → values of options, and their grid
`plan`        piece number → primer, options, seed and file name
`planning`    what is asked → a plan
`making`      a worker: some pieces → MIDI files and rows
`describing`  a piece → its row
`manifest`    `manifest.jsonl`: a row for each piece
`keeping`     `batch.json`: what a folder's batch is, and whether it can go on
`running`     the run
`ranking`     which pieces are kept
`replaying`   a row → the same file again
============  ===========================================================================
"""

from musegen.batch.plan import Plan, Primer
from musegen.batch.planning import planned
from musegen.batch.ranking import Rank
from musegen.batch.replaying import Replayed, replay
from musegen.batch.runner import Report, run
from musegen.batch.sweeping import parse_sweeps
from musegen.generation.request import derived_seed

__all__ = [
    "Plan",
    "Primer",
    "Rank",
    "Replayed",
    "Report",
    "derived_seed",
    "parse_sweeps",
    "planned",
    "replay",
    "run",
]
