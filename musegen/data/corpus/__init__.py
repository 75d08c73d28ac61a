"""music21's packaged corpus as MIDI files, with a table of what came from where on what terms.

music21 installs some 15,000 pieces of written music with itself, so that anybody can rebuild the
same training material without downloading anything. `export` writes one MIDI file a piece, plus::

    provenance.tsv   file, title, composer, transcriber, source, notes, bars, cut bars,
                     key, meter, terms
    skipped.tsv      source, title, reason: what was left out and why
    .export/         what is finished, so that a run that was cut off goes on where it stopped
"""

from musegen.data.corpus.collection import CORPORA, Corpus
from musegen.data.corpus.exporting import Report, export, source_files

__all__ = ["CORPORA", "Corpus", "Report", "export", "source_files"]
