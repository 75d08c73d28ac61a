"""The exportable parts of music21's corpus, and their terms."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CORPORA", "Corpus"]


@dataclass(frozen=True)
class Corpus:
    """A part of music21's corpus.

    Attributes:
        folder: The folder below music21's `corpus/`.
        suffix: Suffix of its files; the folder may have the same music in other formats.
        description: A short description of the music.
        terms: Licence and rights as far as known; according to music21's `corpus/license.txt`,
            encodings are included by permission of their encoders, some not for commercial use.
        parts: Take only pieces with this number of parts. None takes all.
        composer: The composer, where the files do not name one.
    """

    folder: str
    suffix: str
    description: str
    terms: str
    parts: int | None = None
    composer: str = ""


UNMARKED = "music in the public domain; encodings carry no licence"

CORPORA: dict[str, Corpus] = {
    "airdsAirs": Corpus(
        "airdsAirs",
        ".abc",
        "James Aird's Selection of Scotch, English, Irish and Foreign Airs, 1782-1803",
        "music in the public domain; contributor credited: Jack Campin",
    ),
    "bach": Corpus(
        "bach", ".mxl", "Bach's chorales in four parts", UNMARKED, parts=4, composer="J. S. Bach"
    ),
    "beethoven": Corpus(
        "beethoven", ".mxl", "string quartets by Beethoven", UNMARKED, composer="L. van Beethoven"
    ),
    "essenFolksong": Corpus(
        "essenFolksong",
        ".abc",
        "Essen collection of folk songs",
        "legal status unclear; permitted for non-commercial use; not for published weights",
    ),
    "haydn": Corpus("haydn", ".mxl", "string quartets by Haydn", UNMARKED, composer="J. Haydn"),
    "mozart": Corpus(
        "mozart",
        ".mxl",
        "string quartets by Mozart, and a sonata",
        UNMARKED,
        composer="W. A. Mozart",
    ),
    "nottingham": Corpus(
        "nottingham-dataset",
        ".abc",
        "two reels of the Nottingham Music Database",
        "GPL-3 where it is published elsewhere; not for published weights",
    ),
    "oneills1850": Corpus(
        "oneills1850",
        ".abc",
        "O'Neill's Music of Ireland, 1903",
        "music in the public domain; contributors credited; Henrik Norbeck's own files forbid "
        "commercial use",
    ),
    "palestrina": Corpus(
        "palestrina",
        ".krn",
        "Palestrina's masses",
        "rights to derivative formats reserved by the encoder; not for published weights",
        composer="G. P. da Palestrina",
    ),
    "ryansMammoth": Corpus(
        "ryansMammoth",
        ".abc",
        "Ryan's Mammoth Collection of fiddle tunes, 1883",
        "music in the public domain; contributors credited",
    ),
}
"""The exportable parts of music21's corpus, by name."""
