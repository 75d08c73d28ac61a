"""Reading Humdrum files: notes and time, spines, signatures, instruments and errors."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musegen.errors import MidiError
from musegen.score import Score
from musegen.score.notation.kern import parse_kern
from musegen.score.notation.kern.instruments import DRUMS, INSTRUMENTS
from musegen.score.notation.kern.tokens import parse_token
from musegen.score.reading import read

# A writer, for known notes

LENGTHS = {
    "0": 8,
    "1": 4,
    "2.": 3,
    "2": 2,
    "4.": Fraction(3, 2),
    "3": Fraction(4, 3),
    "4": 1,
    "6": Fraction(2, 3),
    "8": Fraction(1, 2),
    "12": Fraction(1, 3),
    "16": Fraction(1, 4),
}
BARS = ["1", "2 2", "4 4 2", "4. 8 4 8 8", "12 12 12 4 2", "6 6 6 2", "3 3 3", "8 16 16 2.", "2. 4"]
NAMES = "c c# d d# e f f# g g# a a# b".split()


def name_of(pitch: int) -> str:
    """Middle c is `c`, the octaves above and below `cc` and `C`."""
    octave, step = divmod(pitch, 12)
    letter, sharp = NAMES[step][0], NAMES[step][1:]
    return (letter * (octave - 4) if octave > 4 else letter.upper() * (5 - octave)) + sharp


@dataclass(frozen=True)
class Event:
    """A chord with its ties; a rest has no pitches."""

    sign: str
    pitches: frozenset[int]
    tied_from: frozenset[int] = frozenset()
    tied_to: frozenset[int] = frozenset()

    def token(self) -> str:
        def note(pitch: int) -> str:
            stops, starts = pitch in self.tied_from, pitch in self.tied_to
            tie = "_" if stops and starts else "[" if starts else "]" if stops else ""
            return f"{self.sign}{name_of(pitch)}{tie}"

        return " ".join(map(note, sorted(self.pitches))) or f"{self.sign}r"


@st.composite
def voices(draw: st.DrawFn, lowest: int, bars: int) -> list[list[Event]]:
    """Draw bars of chords and rests within an octave, some of them tied."""
    signs = [draw(st.sampled_from(BARS)).split() for _ in range(bars)]
    pitches = st.frozensets(st.integers(lowest, lowest + 11), max_size=3)
    chords = [draw(pitches) for bar in signs for _ in bar]
    ties = [a & b & draw(pitches) for a, b in pairwise(chords)]
    none = frozenset()
    events = [
        Event(*values)
        for values in zip(
            [sign for bar in signs for sign in bar],
            chords,
            [none, *ties],
            [*ties, none],
            strict=True,
        )
    ]
    out = []
    for bar in signs:
        out.append(events[: len(bar)])
        events = events[len(bar) :]
    return out


def sounding(voice: list[list[Event]], track: int) -> list[tuple[int, int, int, int]]:
    """Onset, duration, pitch and track of the notes of a voice, in ticks."""
    now, out, open_notes = Fraction(0), [], {}
    for event in (event for bar in voice for event in bar):
        stop = now + LENGTHS[event.sign]
        for pitch in event.pitches:
            onset = open_notes.pop(pitch) if pitch in event.tied_from else now
            if pitch in event.tied_to:
                open_notes[pitch] = onset
            else:
                a, b = round(onset * 480), round(stop * 480)
                out.append((a, b - a, pitch, track))
        now = stop
    return out


def written(parts: list[list[list[list[Event]]]]) -> str:
    """Write parts as spines, the first being the highest; one of two voices is a split spine."""
    parts = parts[::-1]
    lines = [["**kern"] * len(parts), ["*M4/4"] * len(parts)]
    if any(len(part) > 1 for part in parts):
        lines.append(["*^" if len(part) > 1 else "*" for part in parts])
    columns = [voice for part in parts for voice in part]
    for number, bars in enumerate(zip(*columns, strict=True), 1):
        lines.append([f"={number}"] * len(columns))
        rows: dict[Fraction, list[str]] = {}
        for column, bar in enumerate(bars):
            now = Fraction(0)
            for event in bar:
                rows.setdefault(now, ["."] * len(columns))[column] = event.token()
                now += LENGTHS[event.sign]
        lines += [rows[now] for now in sorted(rows)]
    lines.append(["=="] * len(columns))
    if len(columns) > len(parts):
        lines.append([path for part in parts for path in (["*v", "*v"] if len(part) > 1 else "*")])
    lines.append(["*-"] * len(parts))
    return "".join("\t".join(line) + "\n" for line in lines)


@st.composite
def pieces(draw: st.DrawFn) -> list[list[list[list[Event]]]]:
    bars = draw(st.integers(1, 4))
    return [
        [
            draw(voices(12 * (2 + 2 * part + voice), bars))
            for voice in range(draw(st.integers(1, 2)))
        ]
        for part in range(draw(st.integers(1, 4)))
    ]


@given(pieces())
def test_known_notes_are_read_back_whatever_the_rhythms_chords_ties_and_voices(parts):
    score = parse_kern(written(parts))
    expected = [
        note
        for track, part in enumerate(parts)
        for voice in part
        for note in sounding(voice, track)
    ]
    assert sorted(score.notes[["onset", "duration", "pitch", "track"]].tolist()) == sorted(expected)
    assert score.end == 1920 * len(parts[0][0])
    assert score.barlines().tolist() == list(range(0, score.end + 1, 1920))
    assert len(score.tracks) == len(parts)


# One construct each


def kern(*lines: str, meter: str = "*M4/4") -> Score:
    """Read one spine."""
    return parse_kern("\n".join(["**kern", meter, *lines, "*-", ""]))


def notes(score: Score) -> list[tuple[float, float, int]]:
    """Onset and duration in quarters, pitch."""
    rows = score.notes[["onset", "duration", "pitch"]].tolist()
    return [(onset / 480, duration / 480, pitch) for onset, duration, pitch in rows]


@pytest.mark.parametrize(
    ("token", "pitches"),
    [
        ("4c", [60]),
        ("4B", [59]),
        ("4CC", [36]),
        ("4ccc##", [86]),
        ("4b--", [69]),
        ("4fn", [65]),
        ("8An#", [58]),
        ("(>40%3dd#L 8ryy ", [75]),
        ("8.G#X", [56]),
        ("{&(16ff#L/'~^", [78]),
        ("bb-16JJ&)}", [82]),
        ("4c 4e 4g", [60, 64, 67]),
        ("4c e g", [60, 64, 67]),
        ("4cP", [60]),
        ("4cp", [60]),
        ("4cyy", [60]),
        ("4cTR", [60]),
        ("2c@@16@@", [60]),
        ("4ryy", []),
        ("1rr", []),
        ("4rgg", []),
        ("8cq", []),
        ("ccq 16eq", []),
        ("16cQ", []),
    ],
)
def test_a_token_has_its_pitches_whatever_marks_it_has(token, pitches):
    assert [note.pitch for note in parse_token(token).notes] == pitches


@pytest.mark.parametrize(
    ("sign", "quarters"),
    [
        *[("4", 1), ("4.", 1.5), ("4..", 1.75), ("1", 4), ("0", 8), ("00", 16), ("000", 32)],
        *[("0.", 12), ("3%2", 8 / 3), ("12", 1 / 3), ("20", 0.2), ("96", 1 / 24)],
    ],
)
def test_a_duration_is_the_part_of_a_whole_note_that_its_number_says(sign, quarters):
    assert parse_token(f"{sign}c").length == pytest.approx(quarters)
    assert parse_token(f"{sign}r").length == pytest.approx(quarters)


def test_grace_notes_take_no_time_and_an_appoggiatura_takes_what_is_written():
    assert notes(kern("8cq", "4d", "ffq", "16eQ", "4f", "8gP", "8fp")) == [
        (0, 1, 62),
        (1, 1, 65),
        (2, 0.5, 67),
        (2.5, 0.5, 65),
    ]


def test_a_tie_joins_its_own_note_of_a_chord_and_no_other():
    assert notes(kern("[2e 2g", "2e_ 2g", "=2", "2e] 2g", "2g")) == [
        (0, 6, 64),
        (0, 2, 67),
        (2, 2, 67),
        (4, 2, 67),
        (6, 2, 67),
    ]


def test_a_spine_that_is_split_twice_has_three_voices_and_joins_in_steps():
    score = kern("*^", "*^\t*", "4c\t4e\t4g", "*v\t*v\t*", "2.d\t2.f", "*v\t*v", "=2", "1c")
    assert notes(score) == [(0, 1, 60), (0, 1, 64), (0, 1, 67), (1, 3, 62), (1, 3, 65), (4, 4, 60)]
    assert len(score.tracks) == 1


def test_two_spines_that_were_split_join_on_one_line():
    text = "**kern\t**kern\n*^\t*^\n4C\t4E\t4c\t4e\n*v\t*v\t*v\t*v\n4D\t4d\n*-\t*-\n"
    score = parse_kern(text)
    assert score.notes[["onset", "pitch", "track"]].tolist() == [
        (0, 60, 0),
        (0, 64, 0),
        (0, 48, 1),
        (0, 52, 1),
        (480, 62, 0),
        (480, 50, 1),
    ]


def test_a_voice_may_be_silent_without_rests():
    assert notes(kern("*^", "4c\t4g", "4d\t.", "2c\t.", "=2\t=2", "2d\t4a", "*v\t*v")) == [
        (0, 1, 60),
        (0, 1, 67),
        (1, 1, 62),
        (2, 2, 60),
        (4, 2, 62),
        (4, 1, 69),
    ]


def test_a_voice_shorter_than_its_part_is_silent_up_to_the_barline():
    score = kern("*^", "2c\t4g", "=2\t=2", "2d\t2a", "*v\t*v", meter="*M2/4")
    assert notes(score)[2:] == [(2, 2, 62), (2, 2, 69)]


def test_other_spines_are_passed_over_also_where_they_begin_change_places_and_end():
    text = (
        "**kern\t**dynam\t**text\n*M2/4\t*\t*\n4c\tf\tla\n.\t<\t.\n4d\t.\tla\n"
        "*\t*-\t*\n=2\t=2\n*x\t*x\nle\t4e\n*+\t*\n*\t**mxhm\t*\nlu\tC major\t4f\n*-\t*-\t*-\n"
    )
    score = parse_kern(text)
    assert notes(score) == [(0, 1, 60), (1, 1, 62), (2, 1, 64), (3, 1, 65)]
    assert len(score.tracks) == 1


def test_the_highest_spine_is_the_first_track_with_its_name_and_instrument():
    text = '**kern\t**kern\t**kern\n*Ivioln\t*Icant\t*\n*I"Geige\t*\t*\n1G\t1g\t1gg\n*-\t*-\t*-\n'
    tracks = parse_kern(text).tracks
    assert [(t.name, t.program) for t in tracks] == [("", 0), ("Soprano", 52), ("Geige", 40)]


def test_percussion_is_drums_by_instrument_and_by_clef():
    for sign in ("*Isdrum", "*clefX"):
        score = kern(sign, "4R", "4eR")
        assert score.tracks[0].is_drum
        assert notes(score) == [(0, 1, 38), (1, 1, 38)]


def test_every_instrument_has_a_number_of_general_midi():
    numbers = [instrument.number for table in (INSTRUMENTS, DRUMS) for instrument in table.values()]
    assert set(numbers) <= set(range(128))
    assert not INSTRUMENTS.keys() & DRUMS.keys()


def test_transposing_instruments_are_written_as_they_sound():
    assert notes(kern("*ITrd1c2", "*Trd-1c-2", "4d")) == [(0, 1, 62)]


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        (("*k[f#c#]",), (2, False)),
        (("*k[f#c#]", "*b:"), (2, True)),
        (("*b:", "*k[f#c#]"), (2, True)),
        (("*k[b-e-]", "*g:dor"), (-2, False)),
        (("*k[f#]", "*D:"), (1, False)),
        (("*k[]", "*a:"), (0, True)),
        (("*f#:",), (3, True)),
    ],
)
def test_a_key_is_the_signature_with_the_mode_that_is_named_with_it(signs, expected):
    assert kern(*signs, "4d", "*A:", "4e").keys.tolist() == [(0, *expected)]


def test_signatures_and_tempos_change_where_they_stand():
    score = kern(
        "*MM90", "*k[]", "=1", "4c", "4d", "*MM[Adagio]", "=2", "*M3/4", "*MM60.5", "*k[b-]", "2.e",
        meter="*M2/4",
    )  # fmt: skip
    assert score.meters.tolist() == [(0, 2, 4), (960, 3, 4)]
    assert score.tempos.tolist() == [(0, 666_667), (960, 991_736)]
    assert score.keys.tolist() == [(0, 0, False), (960, -1, False)]


def test_a_tempo_inside_a_bar_is_where_the_shorter_of_two_voices_goes_on():
    score = kern("*^", "2c\t4g", "*MM60\t*", ".\t4a", "*v\t*v", "=2", "2d", meter="*M2/4")
    assert score.tempos.tolist() == [(480, 1_000_000)]


@pytest.mark.parametrize(
    ("sign", "meter"),
    [("*M6/8", (6, 8)), ("*M3+2/8", (5, 8)), ("*M3/0", (6, 1)), ("*M3/3%2", (2, 1))],
)
def test_a_meter_counts_parts_of_a_whole_note(sign, meter):
    assert kern("1c", meter=sign).meters.tolist() == [(0, *meter)]


def test_a_pickup_is_filled_up_on_the_left():
    score = kern("4c", "=1", "2.d", "=2", "2e", "==", meter="*M3/4")
    assert notes(score) == [(2, 1, 60), (3, 3, 62), (6, 2, 64)]
    assert score.end == 8 * 480


def test_repeats_are_played_once_in_the_order_of_the_page():
    score = kern("*>[A,A,B]", "*>A", "=1", "1c", "=:|!", "*>B", "=2", "1d", "==")
    assert notes(score) == [(0, 4, 60), (4, 4, 62)]


def test_comments_records_empty_lines_and_a_missing_end_lose_nothing():
    head = "!!!COM: Anon \x85 \u2028\n\n**kern\n! local\n!! global\n"
    text = "*M2/4\n4c\n!\n4d\n!!!no colon\n=2\n2e"
    assert notes(parse_kern(head + text)) == [(0, 1, 60), (1, 1, 62), (2, 2, 64)]


# Bad input


@pytest.mark.parametrize(
    ("lines", "line", "message"),
    [
        (["**kern", "c"], 2, "a duration was expected, as in 4c, a quarter. Received: 'c'"),
        (["**kern", "4c", "4z"], 3, "a pitch, or r for a rest, was expected, as in 4c"),
        (["**kern", "4ce"], 2, "one pitch was expected"),
        (["**kern\t**kern\t**kern", "4c\t\t4e"], 2, "a note, a rest, or . for none"),
        (["**kern", "4c."], 2, "'.' has no meaning there"),
        (["**kern", "4c8"], 2, "'8' has no meaning there"),
        (["**kern", "4c é"], 2, "'é' has no meaning there"),
        (["**kern", "4ggggggg"], 2, "a pitch of MIDI, CCCCC to gggggg, was expected"),
        (["**kern", "1234567890123c"], 2, "a duration of at most 12 characters"),
        (["**kern", "4R"], 2, "R is for percussion"),
        (["**kern", "*M300/4"], 2, "1 to 255 beats"),
        (["**kern\t**kern", "4c\t8d", ".", "4e\t."], 3, "2 spine(s) were expected"),
        (["**kern\t**kern", "4c\t8d", "4e\t4f"], 3, "different times: 0.5 and 1 quarters"),
        (["**kern\t**kern", "=1\t.", "4c\t4d"], 2, "= was expected in all spines"),
        (["**kern\t**kern", "*\t4d"], 2, "* was expected in all spines"),
        (["**kern\t**text", "*v\t*"], 2, "*v was expected in two adjacent spines"),
        (["**kern", "4c", "*-", "**kern", "4d"], 4, "Save each piece as a file of its own"),
        (["**kern", "4c", "**kern", "4d"], 3, "Save each as a file of its own"),
        (["**text", "la"], 1, "a line that begins **kern spines was expected"),
        (["Dear Sir,"], 1, "a line that begins **kern spines was expected"),
    ],
)
def test_what_is_wrong_is_an_error_with_its_line(lines, line, message):
    with pytest.raises(MidiError) as raised:
        parse_kern("\n".join(lines))
    assert str(raised.value).startswith(f"line {line}: ")
    assert message in str(raised.value)


def test_a_long_piece_is_refused_before_it_is_read():
    with pytest.raises(MidiError, match=r"at most 2,097,152 characters was expected"):
        parse_kern("4c\n" * 700_000)
    with pytest.raises(MidiError, match=r"line 275: music of at most"):
        parse_kern("**kern\n" + "000000000000c\n" * 274)


@given(st.text(st.sampled_from("*^v-+x=kern\t\n4c.[]_ r!"), max_size=60))
def test_any_table_is_read_or_refused_with_a_reason(text):
    try:
        score = parse_kern("**kern\t**kern\n" + text)
    except MidiError as error:
        assert str(error).startswith("line ")
    else:
        assert len(score.tracks) == 2


@pytest.mark.parametrize("suffix", [".krn", ".kern", ".KRN"])
def test_a_file_is_read_by_its_ending_and_errors_name_it(tmp_path, suffix):
    good, bad = tmp_path / f"good{suffix}", tmp_path / f"bad{suffix}"
    good.write_bytes("!!!OTL: Été\r\n**kern\r\n4c\r\n*-\r\n".encode("latin-1"))
    bad.write_text("**kern\n4c\nx\n")
    assert notes(read(good)) == [(0, 1, 60)]
    with pytest.raises(MidiError, match=r"bad\.\w+: line 3: spine 1: a duration was expected"):
        read(bad)
