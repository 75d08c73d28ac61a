"""MusicXML: measure n begins at one tick in every part."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen.errors import MidiError
from musegen.score import Score
from musegen.score.notation.musicxml import read_musicxml
from tests.score.musicxml import (
    HEAD,
    attributes,
    backup,
    forward,
    measure,
    note,
    notes,
    partwise,
    rest,
    time,
)


def score(document: str) -> Score:
    return read_musicxml(document.encode()).score


def onsets(piece: Score, track: int = 0) -> list[float]:
    """Onsets of a track, in quarters."""
    return (piece.notes["onset"][piece.notes["track"] == track] / 480).tolist()


# Any parts, voices and divisions

MARK = 24  # the pitch that begins each measure of each part
EIGHTHS = st.integers(1, 9)


@st.composite
def voice(draw, length, divisions, kinds):
    """A voice of `length` eighths: notes, and rests or forwards, of random lengths."""
    out = []
    while length:
        eighths = draw(st.integers(1, length))
        length -= eighths
        make = {"note": lambda d: note("C5", d), "rest": rest, "forward": forward}
        out.append(make[draw(st.sampled_from(kinds))](eighths * divisions // 2))
    return "".join(out)


@st.composite
def written_measure(draw, length, divisions, *, is_full):
    """One to three voices of at most `length` eighths; with `is_full`, one has notes to the end."""
    first = length if is_full else draw(st.integers(1, length))
    voices = [note("C1", first * divisions // 2)]  # the mark, and the first voice
    used = first
    for _ in range(draw(st.integers(0, 2))):
        kinds = ["note", "rest", "forward"]
        own = draw(st.integers(1, length))
        voices.append(backup(used * divisions // 2) + draw(voice(own, divisions, kinds)))
        used = own
    return "".join(voices)


@st.composite
def scores(draw):
    """A document, the length of each measure in eighths, and in which measures each part plays."""
    lengths = draw(st.lists(EIGHTHS, min_size=1, max_size=6))
    parts, plays = [], []
    count = draw(st.integers(1, 4))
    full = [draw(st.integers(0, count - 1)) for _ in lengths]
    for index in range(count):
        measures, marks = [], []
        for number, length in enumerate(lengths):
            divisions = draw(st.sampled_from([2, 4, 6, 10, 22, 480, 10080]))
            begin = attributes(divisions, meter=())
            if index != full[number] and draw(st.integers(0, 3)) == 0:
                silent = draw(st.integers(1, length)) * divisions // 2
                content = rest(silent, measure=draw(st.booleans()))
            else:
                is_full = index == full[number]
                content = draw(written_measure(length, divisions, is_full=is_full))
                marks.append(number)
            measures.append(measure(begin, content, number=number + 1))
        parts.append(measures)
        plays.append(marks)
    return partwise(*parts), lengths, plays


@given(drawn=scores())
@settings(max_examples=150, deadline=None)
def test_every_measure_begins_at_one_tick_in_every_part(drawn):
    document, lengths, plays = drawn
    piece = score(document)
    starts = [sum(lengths[:n]) * 240 for n in range(len(lengths))]
    marks = piece.notes[piece.notes["pitch"] == MARK]
    for track, numbers in enumerate(plays):
        assert marks["onset"][marks["track"] == track].tolist() == [starts[n] for n in numbers]
    assert piece.end == sum(lengths) * 240
    assert piece.barlines().tolist() == [*starts, piece.end]


@given(
    divisions=st.lists(st.sampled_from([3, 7, 11, 13, 96]), min_size=2, max_size=2),
    count=st.integers(1, 30),
)
@settings(max_examples=20, deadline=None)
def test_rounding_does_not_add_up(divisions, count):
    """Bars of `count` notes of equal length that is no whole number of ticks, in two parts."""
    first, second = divisions
    parts = [
        [
            measure(attributes(each, meter=()) if not n else "", note("C4", 1) * each, number=n)
            for n in range(count)
        ]
        for each in (first, second)
    ]
    piece = score(partwise(*parts))
    for track, each in enumerate(divisions):
        exact = [n + k / each for n in range(count) for k in range(each)]
        assert (
            max(abs(a - b) for a, b in zip(onsets(piece, track), exact, strict=True)) < 0.51 / 480
        )


def test_divisions_may_change_within_a_measure():
    change = "<attributes><divisions>6</divisions></attributes>"
    first = measure(attributes(4), note("C4", 2), change, note("D4", 3), note("E4", 18), number=1)
    second = measure(note("F4", 6), backup(6), note("A3", 2), number=2)
    piece = score(partwise([first, second], [measure(attributes(1), note("C3", 4)) * 1]))
    assert onsets(piece) == [0, 0.5, 1, 4, 4]


# Pickups, and bars that are cut short

PICKUPS = {
    "a rest as long as the pickup": rest(1, measure=True),
    "a rest for a whole bar": rest(4, measure=True),
    "a rest as long as a bar": rest(4),
    "a forward": forward(1),
    "nothing": "",
}


@pytest.mark.parametrize("silence", PICKUPS.values(), ids=PICKUPS)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_part_that_rests_in_a_pickup_is_not_moved(silence, is_first):
    bar = measure(notes("C4 D4 E4 F4"), number=1)
    silent = [measure(attributes(), silence, number=0, implicit="yes"), bar]
    sounding = [measure(attributes(), note("G4"), number=0, implicit="yes"), bar]
    parts = [silent, sounding] if is_first else [sounding, silent]
    piece = score(partwise(*parts))
    assert onsets(piece, int(not is_first)) == [4, 5, 6, 7]
    assert onsets(piece, int(is_first)) == [3, 4, 5, 6, 7]
    assert piece.meters.tolist() == [(0, 4, 4)]
    assert piece.barlines().tolist() == [0, 1920, 3840]


@pytest.mark.parametrize("silence", PICKUPS.values(), ids=PICKUPS)
def test_a_pickup_to_a_later_section_is_as_long_in_every_part(silence):
    whole = measure(notes("C4 D4 E4 F4"), number=1)
    short = measure(notes("C4 D4 E4"), number=2)
    pickup = measure(note("G4"), number="X1", implicit="yes")
    other = measure(silence, number="X1", implicit="yes")
    first = [measure(attributes(), rest(4)), whole, short, pickup, whole]
    second = [measure(attributes(), rest(4)), whole, short, other, whole]
    piece = score(partwise(first, second))
    assert onsets(piece, 0) == [*range(4, 16)]
    assert onsets(piece, 1) == [*range(4, 11), *range(12, 16)]
    assert piece.meters.tolist() == [(0, 4, 4)]


@pytest.mark.parametrize("written", [1, 3, 4, 6, 8])
def test_a_rest_for_a_whole_measure_has_any_written_length(written):
    first = [measure(attributes(), notes("C4 D4 E4 F4")), measure(note("G4", 4), number=2)]
    second = [measure(attributes(), rest(written, measure=True)), measure(note("C3", 4), number=2)]
    piece = score(partwise(first, second))
    assert onsets(piece, 0) == [0, 1, 2, 3, 4] and onsets(piece, 1) == [4]
    assert piece.end == 8 * 480


def test_two_rests_too_many_do_not_make_a_bar_longer_but_notes_do():
    bars = [measure(attributes(), notes("C4 D4 E4 F4")), measure(note("G4", 4), number=2)]
    too_many = [measure(attributes(), rest(4) + rest(4)), measure(note("C3", 4), number=2)]
    assert onsets(score(partwise(bars, too_many)), 1) == [4]
    too_long = [measure(attributes(), note("C3", 5)), measure(note("C3", 4), number=2)]
    piece = score(partwise(bars, too_long))
    assert onsets(piece, 0) == [0, 1, 2, 3, 5] and onsets(piece, 1) == [0, 5]


def test_the_duration_counts_where_all_parts_agree():
    long = [measure(attributes(), notes("C4 D4 E4 F4") + rest(2)), measure(note("G4", 4))]
    piece = score(partwise(long, long))
    assert onsets(piece, 1) == [0, 1, 2, 3, 6]
    assert piece.barlines().tolist() == [0, 2880, 4800][:1] + piece.barlines().tolist()[1:]


def test_a_measure_with_nothing_in_it_is_a_bar_of_rest():
    bars = [measure(attributes(meter=(3, 4)), notes("C4 D4 E4")), measure(), measure(note("F4", 3))]
    assert onsets(score(partwise(bars))) == [0, 1, 2, 6]


def test_a_bar_that_misses_its_length_by_rounded_tuplets_is_a_whole_bar():
    # Three triplet quarters of 85 divisions of 256ths are a 256th short of a half.
    triplets = note("C4", 85) * 3 + note("D4", 512) + note("E4", 256)
    bars = [measure(attributes(256), triplets), measure(note("F4", 1024), number=2)]
    piece = score(partwise(bars))
    assert piece.notes["onset"][-1] == 1920 and piece.meters.tolist() == [(0, 4, 4)]


def test_a_single_short_bar_is_a_short_piece_unless_it_is_not_counted():
    assert onsets(score(partwise([measure(attributes(), note("C4"))]))) == [0]
    uncounted = measure(attributes(), note("C4"), implicit="yes")
    assert onsets(score(partwise([uncounted]))) == [3]


# Measures that do not correspond


def test_parts_with_barlines_of_their_own_meet_at_those_of_the_score():
    waltz = [
        measure(attributes(meter=(3, 4)), notes("C4 D4 E4"), number=1),
        measure(notes("F4 G4 A4"), number=2, non_controlling="yes"),
        measure(notes("B4 C5 D5"), number=3),
    ]
    dance = [
        measure(attributes(meter=(2, 4)), notes("C3 D3"), number=1),
        measure(notes("E3 F3"), number="1a", non_controlling="yes"),
        measure(notes("G3 A3"), number="1b", non_controlling="yes"),
        measure(notes("B3 C4"), number=3),
    ]
    piece = score(partwise(waltz, dance))
    assert onsets(piece, 0) == [*range(9)]
    assert onsets(piece, 1) == [*range(8)]
    assert piece.barlines().tolist() == [0, 1440, 2880, 4320]


def test_a_part_with_fewer_measures_ends_early_or_is_matched_by_number():
    def bars(*numbers: int) -> list[str]:
        return [
            measure(attributes() if n == numbers[0] else "", note("C4", 4), number=n)
            for n in numbers
        ]

    assert onsets(score(partwise(bars(1, 2, 3), bars(1, 2))), 1) == [0, 4]
    assert onsets(score(partwise(bars(1, 2, 3), bars(1, 3))), 1) == [0, 8]
    assert onsets(score(partwise(bars(1, 2, 3), bars(2, 3))), 1) == [4, 8]
    assert onsets(score(partwise(bars(1, 2, 3), bars(7, 8))), 1) == [0, 4]
    assert onsets(score(partwise(bars(1, 2, 1, 2), bars(5, 6, 7, 8))), 1) == [0, 4, 8, 12]


def test_a_time_signature_of_one_part_is_enough_and_the_first_part_counts():
    without = [measure(attributes(meter=()), note("C4", 3)), measure(note("C4", 3))]
    with_one = [measure(attributes(meter=(3, 4)), note("C3", 3)), measure(note("C3", 3))]
    other = [measure(attributes(meter=(6, 8)), note("C2", 3)), measure(note("C2", 3))]
    assert score(partwise(without, with_one, other)).meters.tolist() == [(0, 3, 4)]


def test_after_senza_misura_each_bar_is_as_long_as_it_is():
    free = "<attributes><time><senza-misura/></time></attributes>"
    again = f"<attributes>{time(2, 4)}</attributes>"
    bars = [
        measure(attributes(meter=(3, 4)), note("C4", 3)),
        measure(free, note("C4", 5)),
        measure(note("C4", 7)),
        measure(again, note("C4", 2)),
    ]
    assert score(partwise(bars)).barlines().tolist() == [0, 1440, 3840, 7200, 8160]


# The other form of a document


def test_a_timewise_score_is_read_as_its_partwise_form():
    first, second = notes("C4 D4 E4 F4"), note("C3", 4)
    listed = "".join(
        f'<score-part id="{name}"><part-name>{name}</part-name></score-part>' for name in ("A", "B")
    )
    measures = "".join(
        f'<measure number="{n}"><part id="A">{begin}{first}</part>'
        f'<part id="B">{begin}{second}</part></measure>'
        for n, begin in ((1, attributes()), (2, ""))
    )
    piece = score(
        f'{HEAD}<score-timewise version="4.0"><part-list>{listed}</part-list>{measures}'
        "</score-timewise>"
    )
    assert onsets(piece, 0) == [*range(8)] and onsets(piece, 1) == [0, 4]
    assert [track.name for track in piece.tracks] == ["A", "B"]


def test_a_pickup_of_a_timewise_score():
    pickup, bar = (
        f'<part id="A">{each}</part>' for each in (attributes() + note("G4"), note("C4", 4))
    )
    measures = measure(pickup, number=0, implicit="yes") + measure(bar)
    assert onsets(score(f"<score-timewise>{measures}</score-timewise>")) == [3, 4]


def test_too_long_a_piece_is_an_error_that_names_the_bar():
    bars = [measure(attributes(), note("C4", 4)), measure(rest(999_999_999))]
    with pytest.raises(MidiError, match=r"quarters was expected; received: .* in bar 2"):
        score(partwise(bars))
