"""Training runs on the disk, finished or not: found, described and drawn, without Keras."""

from musegen.runs.curves import sparkline, svg
from musegen.runs.finding import LATEST, LOCK, LOG, RUN, SETTINGS, Run, find, in_words, unfinished

__all__ = ["LATEST", "LOCK", "LOG", "RUN", "SETTINGS", "Run", "find", "in_words", "sparkline", "svg", "unfinished"]
