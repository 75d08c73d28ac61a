"""Read what a Humdrum file says about its piece."""

from __future__ import annotations

import re

__all__ = ["reference_records"]

NAMES = {
    "OTL": "title",
    "OPR": "parentTitle",
    "OMV": "movementName",
    "COM": "composer",
    "EED": "electronicEditor",
    "ENC": "electronicEncoder",
}


def reference_records(text: str) -> list[tuple[str, str]]:
    r"""Return name and value of each reference record; well-known codes become words.

    >>> reference_records("!!!COM: Bach, J. S.\n!!!OTL@@DE: Aria\n**kern\n4c\n*-\n!!!YEM: free\n")
    [('composer', 'Bach, J. S.'), ('title', 'Aria'), ('YEM', 'free')]

    Source: D. Huron, The Humdrum Toolkit: Reference Manual (1994), appendix 1.
    """
    found = re.findall(r"(?m)^!!!([A-Za-z]+)[^:\n]*:[ \t]*(.*\S)", text)
    return [(NAMES.get(code, code), value) for code, value in found]
