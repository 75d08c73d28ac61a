"""Export music21's packaged corpus as MIDI files, with a table of origins and terms.

About 15,000 pieces of notation are installed with music21, so anybody can rebuild the same training
data without a download. `export` writes one MIDI file per piece, and::

    provenance.tsv   file, title, composer, transcriber, source, notes, bars, cut bars,
                     key, meter, terms
    skipped.tsv      source, title, reason: what was left out and why
    .export/         records of finished work, so that an interrupted run can resume
"""

from musegen.data.corpus.collection import CORPORA, Corpus
from musegen.data.corpus.exporting import Report, export, source_files

__all__ = ["CORPORA", "Corpus", "Report", "export", "source_files"]
