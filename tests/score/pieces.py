"""Music that several tests of the score share."""

from musegen import Score, Track

PIECE = Score(
    notes=[
        (0, 480, 60, 80, 0),
        (480, 240, 62, 90, 0),
        (0, 960, 48, 70, 1),
        (0, 120, 38, 99, 2),
        (960, 120, 42, 60, 2),
    ],
    tracks=[Track("Flute", 73), Track("Clarinet", 71), Track("Kit", 0, is_drum=True)],
    tempos=[(0, 500_000), (480, 600_000)],
    meters=[(0, 3, 4)],
    keys=[(0, -3, True)],
    end=1440,
)
