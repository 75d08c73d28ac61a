"""Make many pieces in one run: resumable, parallel, each as `musegen compose` makes it.

=========  ==============================================================================
module     what it does
=========  ==============================================================================
sweeps     parse `temperature=0.7:1.2:0.1` and enumerate the grid
primers    find primers, choose the checkpoint of each, name both in the manifest
plan       piece number → primer, options, seed and file name; `batch.json`
manifest   `manifest.jsonl`, a row for each piece; the folder of a batch
worker     make pieces in a process: MIDI files and rows
runner     share the work among processes, resume, choose
ranking    rank pieces, and leave out near duplicates
replay     make pieces again from their rows
=========  ==============================================================================
"""

from musegen.batch.plan import Plan, planned
from musegen.batch.primers import Primer
from musegen.batch.ranking import Rank
from musegen.batch.replay import Replayed, replay
from musegen.batch.runner import Report, run
from musegen.batch.sweeps import parse_sweeps
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
