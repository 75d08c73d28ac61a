"""Cut a line of ABC music into tokens.

Each token is one row of `TOKENS`: a name, and the pattern of its text. Names that begin with `_`
are passed over: they have neither pitch nor time. The numbers are sections of the ABC standard 2.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from musegen.score.notation.abc.errors import Fault

__all__ = ["check_decoration", "has_music", "tokens"]

LENGTH = r"\d{0,9}(?:/+\d{0,9})?"

TOKENS = {
    "_space": r"[ \t]+",
    "note": (
        r"(?P<accidental>[\^_](?:\d{1,3}/\d{1,3}|/\d{0,3})|\^\^?|__?|=)?"
        rf"(?P<letter>[A-Ga-g])(?P<octave>[,']*)(?P<length>{LENGTH})"
    ),
    # 4.8 to 4.10: bar lines of any shape, and the endings behind them.
    "bar": (
        r"\.?(?:\[(?=\|))?(?::*\||::+|:(?=\]|\[\|)|(?<!\S):)(?:[|:\]]|\[(?=\|))*"
        r"(?:\d[\d,\-.]*)?"
    ),
    "_ending": r'\[(?:\d[\d,\-.]*|"[^"\n]*")',
    "field": r"\[[ ]*(?P<field>[A-Za-z]):(?P<value>[^\]\n]*)\]",
    "chord": r"\[",
    "chord_end": rf"\](?P<chord_length>{LENGTH})",
    # A marked x before the end of a section is a place for the mark, not a rest.
    "_mark": (
        r"""(?:"[^"\n]*"|![^!\s|\[\]:]+!|[.~H-Wkuv])[ \t]*x(?=[ \t]*(?:\|[|\]:]|\[\||:[|:\]]))"""
    ),
    "rest": rf"[zx](?P<rest_length>{LENGTH})",
    "bar_rest": r"[ZX](?P<bars>\d{0,5})",
    "_spacer": r"y[\d./]*",
    "text": r'"(?P<text>[^"\n]*)"',
    "decoration": r"!(?P<name>[^!\s|\[\]:]+)!|\+(?P<old_name>[^+\s|\[\]:]+)\+",
    "overlay_group": r"\(&|&\)",
    "tuplet": r"\((?P<p>\d{1,2})(?::(?P<q>\d{0,2})(?::(?P<r>\d{0,3}))?)?",
    "_slur": r"[()][,']?",
    "tie": r"-[,']?",
    "broken": r"[<>]+",
    "_grace": r"\{[^{}|\n]*\}",
    "overlay": r"&+",
    "symbol": r"[.~H-Wh-w]",
    "_continued": r"\\(?=[ \t]*(?:%|$))",
    "_comment": r"%.*",
    # 6.1.1: line breaks on paper. 4.7: a back quote joins notes. 8.1: reserved characters, but `C#`
    # is meant as a sharp.
    "_ignored": r"[!$`*;?@]|(?<![A-Ga-g,'])\#",
}
"""Name of a token → its pattern, in the order in which they are tried."""

TOKEN = re.compile("|".join(f"(?P<t_{name}>{pattern})" for name, pattern in TOKENS.items()))

DECORATIONS = frozenset(
    """
    trill trill( trill) lowermordent uppermordent mordent pralltriller roll turn turnx invertedturn
    invertedturnx arpeggio > accent emphasis ^ marcato fermata invertedfermata tenuto 0 1 2 3 4 5 +
    plus snap slide wedge upbow downbow open thumb breath pppp ppp pp p mp mf f ff fff ffff sfz fz
    sf sfp crescendo( <( crescendo) <) diminuendo( >( diminuendo) >) segno coda D.S. D.C. dacoda
    dacapo fine shortphrase mediumphrase longphrase nil none
    """.split()
)
"""Names of decorations (4.14); some of them, as `f`, could be notes."""

NOTES = re.compile(r"[A-Ga-g][A-Ga-gz0-9,'/^_=]*")


def tokens(line: str) -> Iterator[tuple[int, str, re.Match[str]]]:
    """Yield position, name and match of each token that has a meaning for the sound.

    Raises:
        Fault: Something on the line is no token.
    """
    at, end = 0, len(line)
    while at < end:
        match = TOKEN.match(line, at)
        if match is None:
            received = repr(line[at : at + 20])
            raise Fault(
                f"expected notes, rests, bar lines or their signs. Received: {received}", at
            )
        name = (match.lastgroup or "")[2:]
        if not name.startswith("_"):
            yield at, name, match
        at = match.end()


def has_music(line: str) -> bool:
    """Return whether a line is music: it has notes, rests or bar lines, and nothing strange.

    >>> has_music("CDEF|"), has_music("No. 3 of six")
    (True, False)
    """
    try:
        names = {name for _, name, _ in tokens(line)}
    except Fault:
        return False
    return not names.isdisjoint(("note", "rest", "bar_rest", "bar"))


def check_decoration(text: str) -> None:
    """Refuse what may be music between old line breaks, or an old chord (10.2).

    Raises:
        Fault: The text could be notes, and is no decoration that is known.
    """
    name = text[1:-1]
    if name not in DECORATIONS and NOTES.fullmatch(name):
        remedy = "I:linebreak ! if ! is a line break" if text[0] == "!" else f"[{name}] for a chord"
        raise Fault(f"expected the name of a decoration. Received: {text!r}. Write {remedy}")
