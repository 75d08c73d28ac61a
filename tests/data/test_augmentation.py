"""Training pieces are varied within the given range, and stay music that can be encoded."""

import numpy as np
import pytest

from musegen import Encoder, EncoderConfig, Score, Track
from musegen.data.augmentation import Variation, varied
from musegen.encoding.vocabulary import transposed

PARTS = Encoder(EncoderConfig(parts=4, programs=True, velocities=32, tempos=0))
PLAYED = Encoder(EncoderConfig(encoding="performance"))
SEEDS = range(40)


def piece(seed, parts=4, low=50):
    """Four lines of quarters, each in its own octave, some louder than others."""
    rng = np.random.default_rng(seed)
    notes = [
        (
            480 * i,
            int(rng.integers(200, 480)),
            low + 8 * t + int(rng.integers(8)),
            int(rng.integers(40, 90)),
            t,
        )
        for i in range(8)
        for t in range(parts)
    ]
    return Score(notes=notes, tracks=[Track("", 10 * t) for t in range(parts)])


def pieces(encoder):
    return [encoder.encode(piece(seed)) for seed in SEEDS]


def test_without_variation_nothing_changes():
    before = pieces(PARTS)
    after = varied(before, PARTS, Variation(), np.random.default_rng(0))
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("encoder", [PARTS, PLAYED])
def test_each_piece_is_moved_by_its_own_interval(encoder):
    before = pieces(encoder)
    after = varied(before, encoder, Variation(transpose=5), np.random.default_rng(0))
    found = set()
    for a, b in zip(before, after, strict=True):
        mine = encoder.vocabulary.transposable[a]
        (shift,) = set((b[mine] - a[mine]).tolist())
        assert np.array_equal(b, transposed(a, shift, encoder.vocabulary))
        found.add(shift)
    assert found == set(range(-5, 6))


def test_transposition_stays_within_midi():
    high, low = PARTS.encode(piece(0, low=95)), PARTS.encode(piece(0, low=0))
    rng = np.random.default_rng(0)
    for _ in range(20):
        for tokens in varied([high, low], PARTS, Variation(transpose=24), rng):
            assert np.array_equal(PARTS.encode(PARTS.decode(tokens)), tokens)


def test_thinned_pieces_have_some_of_their_parts_and_their_notes_unchanged():
    before = [PARTS.encode(piece(0))] * 200
    whole = PARTS.decode(before[0])
    lines = [whole.notes[whole.notes["track"] == t] for t in range(4)]
    seen = set()
    for tokens in varied(before, PARTS, Variation(part_dropout=1.0), np.random.default_rng(1)):
        score = PARTS.decode(tokens)
        kept = tuple(track.program // 10 for track in score.tracks)
        for number, part in enumerate(kept):
            notes = score.notes[score.notes["track"] == number]
            assert all(
                np.array_equal(notes[f], lines[part][f])
                for f in ("onset", "duration", "pitch", "velocity")
            )
        assert score.end == whole.end
        seen.add(kept)
    assert len(seen) == 15  # every choice of parts but none


def test_a_share_of_the_pieces_is_thinned():
    before = [PARTS.encode(piece(seed)) for seed in range(400)]
    after = varied(before, PARTS, Variation(part_dropout=0.25), np.random.default_rng(1))
    changed = np.mean([len(a) != len(b) for a, b in zip(before, after, strict=True)])
    assert 0.15 < changed < 0.33  # one in sixteen of the thinned keeps all its parts


def test_performances_are_played_slower_and_faster():
    before = pieces(PLAYED)
    after = varied(before, PLAYED, Variation(tempo_scaling=0.1), np.random.default_rng(2))
    ratios = [
        PLAYED.decode(b).end / PLAYED.decode(a).end for a, b in zip(before, after, strict=True)
    ]
    assert 1 / 1.11 < min(ratios) < 0.95 and 1.05 < max(ratios) < 1.11
    for tokens in after:
        assert np.array_equal(PLAYED.encode(PLAYED.decode(tokens)), tokens)


@pytest.mark.parametrize("encoder", [PARTS, PLAYED])
def test_pieces_are_played_louder_and_softer(encoder):
    before = pieces(encoder)
    after = varied(before, encoder, Variation(velocity_scaling=0.3), np.random.default_rng(2))
    ratios = []
    for a, b in zip(map(encoder.decode, before), map(encoder.decode, after), strict=True):
        assert all(
            np.array_equal(a.notes[field], b.notes[field])
            for field in ("onset", "duration", "pitch")
        )
        ratios.append(b.notes["velocity"].mean() / a.notes["velocity"].mean())
    assert 0.7 < min(ratios) < 0.9 and 1.1 < max(ratios) < 1.4


def test_the_same_seed_varies_alike():
    before, everything = pieces(PLAYED), Variation(3, 0.0, 0.1, 0.2)
    first, second = (varied(before, PLAYED, everything, np.random.default_rng(9)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
