"""Encoding many files and decoding many sequences equals doing them one by one."""

import os
import signal
import subprocess
import sys
import textwrap
from contextlib import suppress
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import musegen.utils.parallel
from musegen import (
    ConfigError,
    Encoder,
    EncoderConfig,
    EncodingError,
    MidiError,
    Score,
    Track,
    load,
)
from musegen.encoding.bulk import _encode_task
from musegen.encoding.bundle import Bundle, Unencodable
from musegen.utils.parallel import Crash, each
from tests.helpers import CONFIGS, scores

TUNE = Score(notes=[(0, 480, 60, 80, 0), (480, 480, 62, 90, 0)], tracks=[Track("Flute", 73)])


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_pieces_encoded_together_equal_pieces_encoded_alone(config, data):
    encoder = Encoder(config)
    pieces = data.draw(st.lists(scores(max_tracks=min(config.parts, 4)), min_size=1, max_size=6))
    kept = encoder.codec.quantise(Bundle.of(pieces), encoder.vocabulary)
    assert kept.scores() == [encoder.quantise(piece) for piece in pieces]
    tokens, starts = encoder.codec.encode(kept, encoder.vocabulary)
    alone = [encoder.encode(piece) for piece in pieces]
    assert np.array_equal(tokens, np.concatenate(alone))
    assert starts.tolist() == np.cumsum([0, *map(len, alone)])[:-1].tolist()
    cut = [piece[: data.draw(st.integers(0, len(piece)))] for piece in alone]
    assert encoder.decode_many(cut) == [encoder.decode(piece) for piece in cut]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_decoded_scores_are_valid(config, data):
    """`Score.of_valid` does not validate, so this test does."""
    encoder = Encoder(config)
    tokens = encoder.encode(data.draw(scores(max_tracks=min(config.parts, 4))))
    decoded = encoder.decode(tokens[: data.draw(st.integers(0, len(tokens)))])
    checked = Score(**{name: getattr(decoded, name) for name in decoded.__dataclass_fields__})
    assert decoded == checked
    assert [array.dtype for array in (decoded.notes, decoded.tempos, decoded.keys)] == [
        array.dtype for array in (checked.notes, checked.tempos, checked.keys)
    ]


def test_results_are_in_order_and_bad_files_have_a_reason(tmp_path):
    TUNE.save(tmp_path / "good.mid")
    Score(notes=[(0, 480, 60, 80, 1)], tracks=[Track("", 1), Track("", 2)]).save(
        tmp_path / "two.mid"
    )
    (tmp_path / "bad.mid").write_bytes(b"MThd nonsense")
    (tmp_path / "tune.abc").write_text("X:1\nM:4/4\nL:1/4\nK:C\nCDEF|\n")
    names = ["missing.mid", "good.mid", "two.mid", "bad.mid", "tune.abc", "good.mid"]
    encoder = Encoder(EncoderConfig(parts=1, velocities=0, tempos=0))
    Score(
        notes=[(0, 480, 60, 80, 0), (0, 480, 64, 80, 1)], tracks=[Track("", 1), Track("", 2)]
    ).save(tmp_path / "two.mid", force=True)
    done = list(encoder.encode_files([tmp_path / name for name in names]))
    assert [result.path.name for result in done] == names
    assert [type(result.error) for result in done] == [
        MidiError,
        type(None),
        EncodingError,
        MidiError,
        type(None),
        type(None),
    ]
    assert "two.mid" in str(done[2].error) and "1 part(s)" in str(done[2].error)
    for result in (done[1], done[4], done[5]):
        assert result.tokens.dtype == np.int32 and np.array_equal(
            result.tokens, encoder.encode(result.path)
        )
    assert all(len(done[index].tokens) == 0 for index in (0, 2, 3))


def test_more_files_than_fit_in_a_bundle_and_several_workers_change_nothing(tmp_path):
    rng = np.random.default_rng(0)
    paths = []
    for index in range(30):
        notes = [
            (int(t), int(d), int(p), 80, 0)
            for t, d, p in zip(
                rng.integers(0, 40_000, 3000),
                rng.integers(1, 900, 3000),
                rng.integers(0, 128, 3000),
                strict=True,
            )
        ]
        paths.append(tmp_path / f"{index}.mid")
        Score(notes=notes[: int(rng.integers(1, 3000))], tracks=[Track("", 1)]).save(paths[-1])
    encoder = Encoder()
    alone = [encoder.encode(path) for path in paths]
    for workers in (1, 2):
        done = list(encoder.encode_files((path for path in paths), workers=workers))
        assert all(
            np.array_equal(result.tokens, tokens)
            for result, tokens in zip(done, alone, strict=True)
        )
    with pytest.raises(ConfigError, match="workers must be >= 1"):
        encoder.encode_files(paths, workers=0)


def test_results_are_yielded_before_all_paths_are_consumed(tmp_path):
    TUNE.save(tmp_path / "tune.mid")

    def endless():
        while True:
            yield tmp_path / "tune.mid"

    results = Encoder().encode_files(endless())
    assert all(next(results).error is None for _ in range(1000))


def _double(number: int) -> int:
    if number == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


@pytest.mark.skipif(os.name == "nt", reason="kills a process by a signal")
def test_a_worker_that_dies_loses_only_its_item():
    done = list(each(_double, range(30), workers=2))
    assert [item for item, _ in done] == list(range(30))
    assert [outcome for item, outcome in done if item != 13] == [
        2 * item for item in range(30) if item != 13
    ]
    assert isinstance(dict(done)[13], Crash) and "13" in str(dict(done)[13])


@pytest.mark.skipif(os.name == "nt", reason="kills a process by a signal")
def test_a_file_that_crashes_its_reader_is_an_error(tmp_path, monkeypatch):
    paths = [tmp_path / f"{index}.mid" for index in range(5)]
    for path in paths:
        TUNE.save(path)
    monkeypatch.setattr(musegen.encoding.bulk, "_encode_task", _deadly_task)
    done = list(Encoder().encode_files(paths, workers=2))
    assert [result.error is None for result in done] == [True, True, False, True, True]
    assert "2.mid: the process that read it died" in str(done[2].error)


def _deadly_task(encoder, paths):
    if any(path.name == "2.mid" for path in paths):
        os.kill(os.getpid(), signal.SIGKILL)
    return _encode_task(encoder, paths)


def test_an_exception_in_a_worker_is_not_a_crash():
    with pytest.raises(TypeError):
        list(each(partial(_double, 1), [2], workers=2))


WORK = """
    import os, signal, sys, time
    from musegen.utils.parallel import each

    def work(seconds):
        print("working", os.getpid(), flush=True)
        time.sleep(seconds)

    if __name__ == "__main__":
        # A shell's background jobs ignore the signal.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            list(each(work, [float(sys.argv[1])] * 9, 2))
        except KeyboardInterrupt:
            print("stopped", flush=True)
    elif len(sys.argv) > 2:
        print("importing", flush=True)
        time.sleep(1)
"""


def _started(tmp_path, *args):
    """Start a process in its own session that runs workers; all of them write to its pipes."""
    (tmp_path / "work.py").write_text(textwrap.dedent(WORK))
    run = [sys.executable, str(tmp_path / "work.py"), *args]
    return subprocess.Popen(
        run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def _ended(process, seconds):
    """Return the output up to the end of the last process that has the pipes."""
    try:
        return process.communicate(timeout=seconds)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.skipif(os.name == "nt", reason="kills a process by a signal")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_worker_outlives_a_killed_parent(tmp_path, how):
    process = _started(tmp_path, "60")
    assert process.stdout.readline().startswith("working")
    process.send_signal(how)
    _ended(process, 20)  # it raises if they do not
    assert process.returncode == -how


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="a signal cannot be held back")
@pytest.mark.parametrize("moment", ["importing", "working"])
def test_ctrl_c_reaches_the_parent_at_any_moment(tmp_path, moment):
    process = _started(tmp_path, "0.5", *(["slowly"] if moment == "importing" else []))
    assert process.stdout.readline().startswith(moment)
    os.killpg(process.pid, signal.SIGINT)
    out, err = _ended(process, 20)
    assert out.splitlines()[-1] == "stopped" and not err and process.returncode == 0


def test_unencodable_pieces_are_named():
    two = Score(notes=[(0, 480, 60, 80, 1)], tracks=[Track(), Track()])
    endless = Score(notes=[(2**31 - 9, 1, 60, 80, 0)], tracks=[Track()], ticks_per_quarter=1)
    encoder = Encoder(EncoderConfig(parts=1))
    with pytest.raises(Unencodable) as caught:
        encoder.codec.quantise(Bundle.of([TUNE, two, TUNE, two]), encoder.vocabulary)
    assert list(caught.value.reasons) == [1, 3]
    with pytest.raises(Unencodable) as caught:
        encoder.codec.quantise(Bundle.of([endless, TUNE]), encoder.vocabulary)
    assert list(caught.value.reasons) == [0]


def test_one_wrong_sequence_among_many_is_refused():
    encoder = Encoder(EncoderConfig(parts=1))
    good = encoder.encode(TUNE)
    for bad, message in (
        (np.array([99999]), "tokens must be 0 to"),
        (np.array([-1]), "tokens must be 0 to"),
        (good[1:], "first event must be start"),
        (np.append(good, good[1]), "cannot follow"),
        (np.array([0.5]), "array of integers"),
        (np.zeros((1, 1), int), "one-dimensional"),
    ):
        with pytest.raises(EncodingError, match=message):
            encoder.decode_many([good, bad, good])
    assert encoder.decode_many([]) == []
    assert encoder.decode_many([good, good[:0], good[:1]])[1:] == [
        encoder.decode([]),
        encoder.decode(good[:1]),
    ]


def test_settings_are_saved_and_loaded(tmp_path):
    for config in CONFIGS:
        encoder = Encoder(config)
        encoder.save(tmp_path / "encoder.json", force=True)
        assert Encoder.load(tmp_path / "encoder.json").config == config
    with pytest.raises(EncodingError, match=r"expected a file that Encoder\.save wrote"):
        Encoder.load(tmp_path / "missing.json")
    text = (tmp_path / "encoder.json").read_text().replace(encoder.vocabulary.fingerprint, "0" * 64)
    (tmp_path / "encoder.json").write_text(text)
    with pytest.raises(EncodingError, match="another vocabulary"):
        Encoder.load(tmp_path / "encoder.json")
    (tmp_path / "encoder.json").write_text(text.replace("sustain", "sustained"))
    with pytest.raises(ConfigError, match="sustained"):
        Encoder.load(tmp_path / "encoder.json")


def test_a_checkpoint_gives_its_encoder(checkpoints):
    for checkpoint in checkpoints.values():
        assert load(checkpoint.path).encoder.config == checkpoint.encoder
        with pytest.warns(DeprecationWarning, match=r"Use musegen\.load\(name\)\.encoder"):
            assert Encoder.from_checkpoint(checkpoint.path).config == checkpoint.encoder


def test_events_print_a_line_for_each_moment():
    encoder = Encoder(EncoderConfig(velocities=0, tempos=0, parts=1, programs=False))
    assert str(encoder.events(encoder.encode(TUNE))).splitlines() == [
        "start",
        "bar, time_signature 4/4",
        "  position 0, pitch 60, duration 12",
        "  position 12, pitch 62, duration 12",
        "end",
    ]
    assert "<script" not in encoder._repr_html_() and "time_signature" in encoder._repr_html_()


def test_a_single_path_or_sequence_is_refused_with_a_remedy(tmp_path):
    encoder = Encoder(EncoderConfig(parts=1))
    for one in ("tune.mid", tmp_path / "tune.mid"):
        with pytest.raises(
            ConfigError, match=r"list or another iterable of paths.*For one file use encode"
        ):
            encoder.encode_files(one)
    tokens = encoder.encode(TUNE)
    assert encoder.decode_many(piece for piece in [tokens]) == [encoder.decode(tokens)]
    for junk in (tokens, [np.int32(5)], [np.array([np.nan])], [[[1]]]):
        with pytest.raises(EncodingError, match="tokens must be"):
            encoder.decode_many(junk)
    for junk in (np.int32(3), [1.5], [[1]], [99999]):
        with pytest.raises(EncodingError, match="tokens must be"):
            encoder.events(junk)


def test_an_unencodable_file_is_named(tmp_path):
    Score(
        notes=[(0, 480, 60, 80, 0), (0, 480, 64, 80, 1)], tracks=[Track("", 1), Track("", 2)]
    ).save(tmp_path / "two.mid")
    with pytest.raises(EncodingError, match=r"two\.mid: the encoding has 1 part") as caught:
        Encoder(EncoderConfig(parts=1)).encode(tmp_path / "two.mid")
    assert type(caught.value) is EncodingError


def test_settings_of_wrong_types_are_refused_and_numpy_numbers_are_converted(tmp_path):
    for wrong in (
        {"steps_per_quarter": 12.0},
        {"velocities": "x"},
        {"programs": "no"},
        {"parts": True},
        {"drums": 1},
    ):
        with pytest.raises(ConfigError, match=f"{next(iter(wrong))} must be of type"):
            EncoderConfig(**wrong)
    Encoder(EncoderConfig(parts=np.int64(4))).save(tmp_path / "encoder.json")
    assert Encoder.load(tmp_path / "encoder.json").config.parts == 4
    for wrong in ("metric", {"encoding": "metric"}):
        with pytest.raises(ConfigError, match="must be an EncoderConfig"):
            Encoder(wrong)
    (tmp_path / "binary.json").write_bytes(bytes(range(256)) * 1000)
    (tmp_path / "null.json").write_text('{"format": 1, "encoder": null, "vocabulary": "x"}')
    for name in ("binary.json", "null.json"):
        with pytest.raises(
            EncodingError, match=r"expected a file that Encoder\.save wrote"
        ) as caught:
            Encoder.load(tmp_path / name)
        assert len(str(caught.value)) < 300
