"""Accompaniment: new parts beside the whole primer, which parts its tracks are, and what they force."""
