"""Extract the metadata of pieces for the provenance table and the file names."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import numpy as np

from musegen.score import Score

__all__ = [
    "abc_fields",
    "about_abc",
    "about_metadata",
    "ascii_name",
    "cut_bars",
    "key_name",
    "slug",
]


def abc_fields(text: str) -> dict[str, list[str]]:
    r"""Return the information fields of an ABC tune (`T:`, `Z:` and so on) without lyrics.

    >>> abc_fields("X:7\nT:The Wild Geese\nK:G")
    {'X': ['7'], 'T': ['The Wild Geese'], 'K': ['G']}
    """
    fields: dict[str, list[str]] = {}
    for letter, value in re.findall(r"(?m)^[ \t]*([A-VX-Z]):(.*)$", text):
        value = value.split("%")[0].strip().strip('"').strip()
        if value:
            fields.setdefault(letter, []).append(value)
    return fields


def about_abc(fields: dict[str, list[str]]) -> dict[str, str]:
    """Return title, composer (or origin) and transcriber from the fields of an ABC tune."""

    def join(letter: str) -> str:
        return "; ".join(fields.get(letter, ()))

    title = fields.get("T", [""])[0]
    return {"title": title, "composer": join("C") or join("O"), "transcriber": join("Z")}


def about_metadata(stated: list[tuple[str, str]], path: Path) -> dict[str, str]:
    """Return title, composer and transcriber from the metadata of MusicXML or Humdrum.

    A title that is the name of the file does not count.
    """

    def join(*names: str) -> str:
        return "; ".join(value for name, value in stated if name in names)

    titles = [join("title"), join("parentTitle"), join("movementName")]
    title = next((t for t in titles if t and t != path.name), "")
    return {
        "title": title,
        "composer": join("composer"),
        "transcriber": join("electronicEditor", "electronicEncoder"),
    }


def key_name(score: Score) -> str:
    """Return the first key signature's name, such as `Eb` or `F#m`; empty where there is none."""
    if not len(score.keys):
        return ""
    fifths, minor = int(score.keys["fifths"][0]), bool(score.keys["minor"][0])
    sharps, letter = divmod(fifths + 1 + 3 * minor, 7)
    return "FCGDAEB"[letter] + {-1: "b", 0: "", 1: "#"}[sharps] + ("m" if minor else "")


def cut_bars(score: Score) -> int:
    """Count the bars shorter than their time signature: misprints and unusual repeats."""
    barlines, meters = score.barlines(), score.with_default_meter()
    meter = meters[np.searchsorted(meters["tick"], barlines[:-1], side="right") - 1]
    whole = (
        4 * score.ticks_per_quarter * meter["numerator"].astype(np.int64) // meter["denominator"]
    )
    return int((np.diff(barlines) < whole).sum())


def ascii_name(text: str) -> str:
    """Return `text` with only those characters that file names may have on every system."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._]+", "-", plain).strip("-.")


def slug(title: str) -> str:
    """Return a title as a short, lower-case part of a file name.

    >>> slug("The Wïld Geese")
    'the-wild-geese'
    """
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    plain = re.sub(r"['`]", "", plain)
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].rstrip("-")
