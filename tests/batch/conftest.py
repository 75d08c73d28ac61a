"""Three tunes and an untrained checkpoint, for all tests of batches."""

import pytest

from musegen import Score, Track

TUNES = {"a": (60, 64, 67, 72), "b": (62, 65, 69, 74, 77), "c": (55, 59, 62)}


@pytest.fixture()
def primers(tmp_path):
    """A folder of three tunes."""
    (tmp_path / "tunes").mkdir()
    for name, pitches in TUNES.items():
        notes = [(480 * at, 480, pitch, 80, 0) for at, pitch in enumerate(pitches)]
        Score(notes=notes, tracks=[Track("Flute", 73)]).save(tmp_path / "tunes" / f"{name}.mid")
    return tmp_path / "tunes"


@pytest.fixture()
def line(checkpoints):
    return checkpoints["line"].path
