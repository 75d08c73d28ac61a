"""Pictures of a score: positions of notes and tokens, size limits, and names that stay text."""

import re
import subprocess
import sys
import time
from itertools import pairwise
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings

from musegen import ConfigError, Encoder, EncoderConfig, EncodingError, Score, Track
from musegen.score.general_midi import PROGRAMS
from musegen.score.midi import read
from musegen.utils.svg import PALETTE
from tests.helpers import SEEDS, scores

SVG = "{http://www.w3.org/2000/svg}"
LEFT, RIGHT = 92, 1984  # where the music begins and ends, in the picture's units


def picture(score):
    """Return the picture as a tree, after checks that hold for every picture."""
    text = Encoder().draw(score)._repr_html_()
    assert len(text.encode()) < 50_000
    root = ElementTree.fromstring(text)
    assert root.tag == f"{SVG}svg"
    kinds = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert kinds <= {"svg", "g", "path", "text", "title"}
    return root


def texts(root):
    return ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]


def strokes(d):
    """Return (x, y, width) of each stroke of a path of relative moves."""
    x = y = 0
    out = []
    assert re.fullmatch(r"(m-?\d+ ?-?\d+h\d+)*", d), d
    for dx, dy, width in re.findall(r"m(-?\d+) ?(-?\d+)h(\d+)", d):
        x, y = x + int(dx), y + int(dy)
        out.append((x, y, int(width)))
        x += int(width)
    return out


def drawn_notes(root):
    """Return (x, y, width, colour, opacity) of every note: of paths in a group with a stroke."""
    return [
        (*stroke, group.get("stroke"), float(path.get("opacity")))
        for group in root.iter(f"{SVG}g")
        if group.get("stroke")
        for path in group.iter(f"{SVG}path")
        for stroke in strokes(path.get("d"))
    ]


def drawn_tokens(root):
    """Return kind → strokes of the token strip: each kind has a path that names it."""
    return {
        path.find(f"{SVG}title").text: strokes(path.get("d"))
        for path in root.iter(f"{SVG}path")
        if len(path)
    }


def numbers(root):
    """Return (bar, x, y) of the bar numbers, from top to bottom and left to right."""
    found = [e for e in root.iter(f"{SVG}text") if e.text.isdecimal()]
    return [(int(e.text), int(e.get("x")), int(e.get("y"))) for e in found]


def test_every_note_is_drawn_where_it_belongs():
    """Two systems of eight bars in 4/4, 32 quarters each: the axes are worked out by hand."""
    notes = [(960 * i, 480 + 100 * (i % 3), 60 + (5 * i) % 12, 1 + 4 * i, i % 2) for i in range(30)]
    root = picture(Score(notes=notes, tracks=[Track("a"), Track("b", 40)], end=16 * 1920))
    unit = (RIGHT - LEFT) / (32 * 480)
    drawn = sorted(drawn_notes(root), key=lambda n: n[0] + 10_000 * (n[1] > numbers(root)[8][2]))
    assert len(drawn) == len(notes)
    lowest = {
        y - (12 * (71 - pitch)) for (_, y, *_), (_, _, pitch, *_) in zip(drawn, notes, strict=True)
    }
    assert len(lowest) == 2, "one height of the highest pitch in each system, 12 units a semitone"
    for (x, _, width, colour, opacity), (onset, duration, _, velocity, track) in zip(
        drawn, notes, strict=True
    ):
        left = LEFT + round(onset % 15360 * unit)
        assert x == left
        assert width == LEFT + round((onset % 15360 + duration) * unit) - left - 1
        assert colour == PALETTE[track]
        assert opacity == (0.4, 0.6, 0.8, 1.0)[velocity // 32]


@given(score=scores())
@settings(max_examples=60, deadline=None)
def test_any_score_is_drawn_note_for_note(score):
    root = picture(score)
    first = numbers(root)
    shown = int(score.barlines()[-1])
    match = re.search(r"ars? ([\d,]+)(?: to ([\d,]+))? not drawn", " ".join(texts(root)))
    if match:
        shown = int(score.barlines()[int(match[1].replace(",", "")) - 1])
    begun = score.notes[score.notes["onset"] < shown]
    drums = np.array([t.is_drum for t in score.tracks])[begun["track"]]
    drawn = drawn_notes(root)
    dots = [n for n in drawn if n[2] == 0]
    assert len(dots) == drums.sum() and {n[3] for n in dots} <= {"currentColor"}
    heads = len(drawn) - len(dots)
    assert heads >= (~drums).sum(), "a note that goes on in the next system has a stroke there too"
    systems = len({y for _, _, y in first})
    assert heads <= (~drums).sum() * max(systems, 1)
    assert all(LEFT <= x and x + width <= RIGHT + 2 for x, _, width, *_ in drawn)


def test_a_note_goes_on_in_the_next_system():
    root = picture(Score(notes=[(14 * 480, 40 * 480, 60, 80, 0)], tracks=[Track()], end=64 * 480))
    unit = (RIGHT - LEFT) / 32
    (x1, y1, w1, *_), (x2, y2, w2, *_) = drawn_notes(root)
    assert (x1, x1 + w1 + 1) == (LEFT + round(14 * unit), RIGHT)
    assert (x2, x2 + w2 + 1) == (LEFT, LEFT + round(22 * unit)) and y2 > y1


def test_bars_are_numbered_and_have_lines():
    root = picture(Score(notes=[(0, 480, 60, 80, 0)], tracks=[Track()], end=20 * 1920))
    found = numbers(root)
    assert [n for n, _, _ in found] == list(range(1, 21))
    assert [x for n, x, _ in found if n in (1, 9, 17)] == [LEFT] * 3
    assert len({y for _, _, y in found}) == 3
    lines = [e.get("d") for e in root.iter(f"{SVG}path") if re.match(r"M\d+ \d+v", e.get("d"))]
    assert [len(re.findall("M", d)) for d in lines] == [9 + 9 + 5]


def test_numbers_of_short_bars_keep_their_distance():
    for score in (
        Score(notes=[(0, 480, 60, 80, 0)], tracks=[Track()], meters=[(0, 1, 64)], end=480 * 500),
        Score(
            end=96_000, meters=[(i * 960, 1 + i % 7, [4, 8, 16, 2, 1][i % 5]) for i in range(100)]
        ),
    ):
        found = numbers(picture(score))
        assert len(found) > 20
        assert all(b[1] - a[1] >= 48 for a, b in pairwise(found) if a[2] == b[2])


def test_a_long_piece_says_what_is_left_out():
    score = Score(notes=[(i * 480, 480, 60, 80, 0) for i in range(4 * 120)], tracks=[Track()])
    root = picture(score)
    assert "Bars 33 to 120 not drawn; score[32:64] shows more." in texts(root)
    assert len(drawn_notes(root)) == 128
    assert "480 notes · 120 bars · 4:00 min · 4/4 · 120 bpm · 1 track" in texts(root)[0]
    assert "Bar 33 not drawn; score[32:33] shows more." in texts(picture(score[:33]))
    assert not any("not drawn" in t for t in texts(picture(score[:32])))


def test_the_first_line_and_the_legend():
    score = Score(
        notes=[(0, 480, 60, 80, 1), (0, 480, 38, 80, 2), (0, 480, 62, 80, 3)],
        tracks=[
            Track("silent", 3),
            Track("Melody", 40),
            Track("Kit", 5, is_drum=True),
            Track("violin", 40),
        ],
        tempos=[(0, 500_000), (480, 1_000_000)],
        meters=[(0, 3, 4), (1440, 7, 8), (3120, 3, 4)],
        end=4560,
    )
    found = texts(picture(score))
    assert found[0].startswith("3 notes · 3 bars · 9 s · 3/4, 7/8 · 60 to 120 bpm · 4 tracks · ")
    assert found[0].endswith(f"{len(Encoder().encode(score))} tokens")
    assert found[1:4] == ["Melody (Violin)", "Kit (drums)", "violin"]


def test_drums_are_dots_in_a_lane_of_their_own():
    score = Score(
        notes=[(0, 480, 38, 100, 0), (480, 480, 42, 100, 0), (0, 480, 60, 100, 1)],
        tracks=[Track("Kit", is_drum=True), Track()],
    )
    snare, hat, melody = sorted(drawn_notes(picture(score)), key=lambda n: (n[2], n[0]))
    assert snare[2:4] == hat[2:4] == (0, "currentColor") and melody[3] == PALETTE[0]
    assert snare[1] > hat[1] > melody[1] + 5


@pytest.mark.parametrize("path", SEEDS, ids=lambda p: p.stem)
def test_the_strip_has_every_token_at_its_time(path):
    score = read(path)
    tokens = Encoder().events(Encoder().encode(score))
    root = picture(score)
    strip = drawn_tokens(root)
    kept = Encoder().quantise(score)
    assert set(strip) == {event.kind for event in tokens}
    # Notes that begin together share a tick: one for each step with notes, and one for each bar.
    drums = np.array([t.is_drum for t in kept.tracks])[kept.notes["track"]]
    assert len(strip["pitch"]) == len(np.unique(kept.notes["onset"][~drums]))
    assert len(strip["bar"]) == len(kept.barlines()) - 1
    assert len(strip["start"]) == len(strip["end"]) == 1
    # They are below the notes that they encode.
    heads = {x for x, _, width, *_ in drawn_notes(root) if width}
    assert all(min(abs(x - head) for head in heads) <= 2 for x, _, _ in strip["pitch"])
    assert strip["end"][0][1] == max(y for y in (s[1] for row in strip.values() for s in row))


def test_the_more_tokens_the_wider_the_tick():
    chords = [[60], [60, 64], [60, 64, 67], [60, 64, 67, 72], [60, 64, 67, 72, 76]]
    score = Score(
        notes=[(480 * i, 480, p, 80, 0) for i, chord in enumerate(chords) for p in chord],
        tracks=[Track()],
        end=3840,
    )
    strip = drawn_tokens(picture(score))
    assert [width for _, _, width in strip["pitch"]] == [5, 8, 10, 12, 12]
    assert [x for x, _, _ in strip["pitch"]] == [
        LEFT + round(i * (RIGHT - LEFT) / 16) for i in range(5)
    ]
    assert [width for _, _, width in strip["position"]] == [5] * 5


def test_bars_of_changing_meters_keep_the_strip_in_time():
    meters = [(0, 3, 4), (1440, 7, 8), (3120, 2, 4), (4080, 4, 4)]
    score = Score(notes=[(4080 + 480, 480, 60, 80, 0)], tracks=[Track()], meters=meters, end=6000)
    root = picture(score)
    strip = drawn_tokens(root)
    bars = [x for _, x, _ in numbers(root)]
    assert [x for x, _, _ in strip["bar"]] == bars
    assert [x for x, _, _ in strip["pitch"]] == [drawn_notes(root)[0][0]]


def test_where_the_encoding_refuses_the_picture_says_why():
    score = Score(
        notes=[(0, 480, 60, 80, i) for i in range(17)], tracks=[Track(f"t{i}") for i in range(17)]
    )
    with pytest.raises(EncodingError):
        Encoder().encode(score)
    root = picture(score)
    assert not drawn_tokens(root) and len(drawn_notes(root)) == 17
    assert any(t.startswith("No tokens: the encoding has 16 part(s)") for t in texts(root))
    assert "and 1 more" in texts(root)


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        "</text></svg><img src=x onerror=alert(1)>",
        '" onload="alert(1)',
        "]]>&amp;&lt;",
        "\0\x1b[31m\ud800\ufffe\u202e",
        "x" * 10_000,
        "名前" * 9,
    ],
)
def test_names_from_strangers_stay_text(name):
    score = Score(notes=[(0, 480, 60, 80, 0)], tracks=[Track(name)])
    plain = Score(notes=[(0, 480, 60, 80, 0)], tracks=[Track("x")])
    root = picture(score)
    shape = [(e.tag, sorted(e.attrib)) for e in root.iter()]
    assert shape == [(e.tag, sorted(e.attrib)) for e in picture(plain).iter()]
    label = texts(root)[1]
    assert label.isprintable() and len(label) < 60
    if name.isprintable() and len(name) < 28:
        assert label == f"{name} ({PROGRAMS[0]})"


def test_scores_without_notes_are_drawn_too():
    assert texts(picture(Score()))[0].startswith(
        "0 notes · 0 bars · 0 s · 4/4 · 120 bpm · 0 tracks"
    )
    bar = picture(Score(end=1920))
    assert [n for n, _, _ in numbers(bar)] == [1] and not drawn_notes(bar)
    assert set(drawn_tokens(bar)) == {"start", "bar", "time_signature", "end"}


def test_more_bars_than_can_be_counted_are_reported_in_words():
    text = Score(meters=[(0, 1, 64)], ticks_per_quarter=24, end=2_000_000)._repr_html_()
    assert "more than 1000000 bars" in text and ElementTree.fromstring(text).tag == "pre"


def random_score(notes, bars, tracks, longest):
    rng = np.random.default_rng(1)
    columns = [(0, 1920 * bars), (1, longest), (0, 128), (1, 128), (0, tracks)]
    rows = np.stack([rng.integers(low, high, notes) for low, high in columns], axis=1)
    return Score(
        notes=list(map(tuple, rows.tolist())),
        tracks=[Track(f"Instrument number {i}", i % 128, i % 5 == 4) for i in range(tracks)],
    )


@pytest.mark.parametrize(
    "shape",
    [
        (100_000, 1000, 16, 2000),
        (100_000, 2, 16, 200),
        (100_000, 8, 200, 30),
        (100_000, 8, 1, 8),
        (6_000, 32, 64, 900),
    ],
)
def test_the_picture_is_small_and_quick_for_any_music(shape):
    score = random_score(*shape)
    score._repr_html_()  # what is imported or compiled once does not count
    began = time.process_time()  # CPU time: a busy machine must not fail the test
    root = picture(score)
    assert time.process_time() - began < 4
    assert drawn_notes(root)


def test_music_too_dense_for_notes_is_drawn_in_cells():
    score = random_score(30_000, 8, 2, 60)
    root = picture(score)
    assert any("loudness is left out" in t for t in texts(root))
    drawn = drawn_notes(root)
    cell = min(width for _, _, width, *_ in drawn if width)
    assert cell in (4, 8, 16, 32, 64, 128)
    # A cell is filled if a note of its pitch sounds there: try each note at the middle of a cell it
    # covers.
    rows = sorted({y for _, y, *_ in drawn})
    unit = (RIGHT - LEFT) / (32 * 480)
    filled = {
        (y, at)
        for x, y, width, *_ in drawn
        for at in range((x - LEFT) // cell, (x - LEFT + width) // cell)
    }
    top = min(rows)
    height = min(b - a for a, b in pairwise(rows))
    for onset, _, pitch, *_ in score.notes[::7].tolist():
        assert (top + (127 - pitch) * height, round(onset * unit) // cell) in filled


def test_drawing_imports_no_plotting_library():
    code = """
import sys
from musegen import Score, Track
text = Score(notes=[(0, 480, 60, 80, 0)], tracks=[Track()])._repr_html_()
assert text.startswith("<svg")
heavy = {"matplotlib", "pandas", "IPython", "music21", "tensorflow", "keras"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_other_encodings_of_bars_are_drawn_alike():
    encoder = Encoder(EncoderConfig(steps_per_quarter=4, velocities=0, tempos=0))
    root = ElementTree.fromstring(encoder.draw(SEEDS[0]))
    assert not {"velocity", "tempo"} & set(drawn_tokens(root))


def test_a_performance_is_not_drawn_and_the_remedy_is_named():
    with pytest.raises(ConfigError, match=r"Encoder\(\)\.draw"):
        Encoder(EncoderConfig(encoding="performance")).draw(SEEDS[0])


@pytest.mark.parametrize("path", SEEDS[:3], ids=lambda p: p.stem)
def test_a_score_by_itself_is_drawn_without_tokens(path):
    score = read(path)
    bare, whole = ElementTree.fromstring(score._repr_html_()), picture(score)
    assert not drawn_tokens(bare) and len(drawn_notes(bare)) == len(drawn_notes(whole))
    assert "token" not in texts(bare)[0]


@pytest.fixture
def agg():
    before = mpl.get_backend()
    mpl.use("Agg")
    yield
    mpl.pyplot.close("all")
    mpl.use(before)


def test_a_plot_has_every_note_as_a_box_and_every_drum_as_a_dot(agg):
    score = Score(
        notes=[(0, 480, 60, 100, 0), (480, 240, 62, 20, 0), (960, 10, 38, 80, 1)],
        tracks=[Track("_$x^$", 40), Track("Kit", is_drum=True)],
        end=3840,
    )
    ax = score.plot()
    boxes, dots = ax.collections
    assert [p.get_extents().bounds for p in boxes.get_paths()] == [
        pytest.approx((0, 59.55, 1, 0.9)),
        pytest.approx((1, 61.55, 0.5, 0.9)),
    ]
    assert boxes.get_facecolor()[:, 3].tolist() == [1.0, 0.4]
    assert dots.get_offsets().tolist() == [[2.0, 38.0]]
    assert ax.get_xlim() == (0, 8) and ax.get_ylim() == (36, 64)
    assert [t.get_text() for t in ax.get_xticklabels()] == [
        "1",
        "2",
    ] and ax.get_xticks().tolist() == [0, 4]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["C2", "C3", "C4"]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == [
        r" _\$x^\$ (Violin)",
        "Kit (drums)",
    ]
    ax.figure.canvas.draw()


def test_a_plot_goes_into_the_axes_given(agg):
    from matplotlib import pyplot

    _, (left, right) = pyplot.subplots(1, 2)
    assert Score(end=1920).plot(left) is left and not right.collections
    assert left.get_legend() is None
    assert Score().plot(right) is right
