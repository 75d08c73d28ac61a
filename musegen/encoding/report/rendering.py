"""The report in words: a verdict, rows for people, plain text and HTML."""

from __future__ import annotations

import html as markup
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from musegen.encoding.metric import DEFAULT_VELOCITY
from musegen.encoding.report.losses import LOSSES, losses

if TYPE_CHECKING:
    from musegen.encoding.report.report import (
        Error,
        NotCarried,
        Notes,
        Report,
        Spread,
        Suggestion,
        Tracks,
    )

__all__ = ["Worded", "html", "rows", "settings", "text", "verdict"]

Worded = Callable[[Mapping[str, Any]], str]
"""Says a change of settings, {setting: value}: in Python they have other names than on a command line."""

MOST_KINDS = 6  # of events named in a row; the others are counted
WHY = {
    "drums": "drums",
    "tracks": "on tracks beyond the encoding's parts",
    "length": "the piece is too long",
}


def verdict(report: Report) -> str:
    """Return the report in one line."""
    if report.error:
        return f"cannot be encoded with these settings{'' if report.suggestions else ', nor with others'}"
    notes, tracks = report.notes, report.tracks
    moved = {
        name: error.ms for name, error in (("onset", report.onset), ("duration", report.duration))
    }
    exact = ["note"] * (notes.kept == notes.in_file) + [n for n, ms in moved.items() if not ms.max]
    rounded = [what for what, is_so in _rounded(report).items() if is_so]
    absent = _absent(report)
    if len(exact) == 3 and not rounded:
        return f"lossless but for {_listed(absent)}" if absent else "lossless"
    clauses = [f"keeps every {_listed(exact)}"] * bool(exact)
    if "note" not in exact:
        gone = f" and {tracks.dropped} of {tracks.in_file} tracks" * bool(tracks.dropped)
        clauses = [f"{clause} of the others" for clause in clauses] * bool(notes.kept)
        clauses.insert(0, f"loses {notes.in_file - notes.kept:,} of {notes.in_file:,} notes{gone}")
    clauses += [
        f"{name}s off by {_number(ms.mean)} ms (at most {_number(ms.max)})"
        for name, ms in moved.items()
        if ms.max
    ]
    clauses += [f"rounds {_listed(rounded)}"] * bool(rounded) + [
        f"leaves out {_listed(absent)}"
    ] * bool(absent)
    return "; ".join(clauses)


def _rounded(report: Report) -> dict[str, bool]:
    """Return what the encoding has only near values of, and whether it needs them."""
    tempo, velocity = report.tempo, report.velocity
    return {
        "loudness": velocity.carried and velocity.error.max > 0,
        "tempo": tempo.carried and tempo.error is not None and tempo.error.max > 0,
        "time signatures": bool(report.meters.approximated),
    }


def _absent(report: Report) -> list[str]:
    """Return what the encoding has no place for at all, and the piece has."""
    pedal, meters, tempo = report.pedal, report.meters, report.tempo
    absent = {
        "the sustain pedal": pedal.presses > 0 and not pedal.applied,
        "loudness": not report.velocity.carried and report.velocity.error.max > 0,
        "bars": not meters.carried,
        "tempo": not tempo.carried and tempo.error is not None and tempo.error.max > 0,
        "instruments": report.programs.lost > 0,
        "drum kits": report.programs.drum_kits > 0,
    }
    others = {"other events": False, "names and marks": True}
    counts = {
        what: sum(event.count for event in report.not_carried if (event.kind == "meta") == is_meta)
        for what, is_meta in others.items()
    }
    return [what for what, is_so in absent.items() if is_so] + [
        f"{n:,} {what}" for what, n in counts.items() if n
    ]


def rows(report: Report, worded: Worded) -> list[tuple[str, str]]:
    """Return (what, how much): the rows that matter, then what is not lost, then what would help."""
    found, notes = list(_rows(report)), report.notes
    intact = [what for what, much in found if not much]
    shown = [(what, much) for what, much in found if much]
    if intact and (notes.kept or not (notes.in_file or report.error)):
        # Of lost notes the onsets are lost, too.
        shown.append(
            (
                "nothing lost" if notes.kept == notes.in_file else "nothing else lost",
                ", ".join(intact),
            )
        )
    shown += [
        ("try", f"{worded(each.change)}: {_effect(each, report)}") for each in report.suggestions
    ]
    if not report.suggestions and any(losses(report).values()):
        shown.append(
            (
                "try",
                f"no other setting, changed alone, would {'do' if report.error else 'lose less'}",
            )
        )
    return shown


def _rows(report: Report) -> Iterator[tuple[str, str]]:
    """Yield every row; one that has nothing to say is empty."""
    config, tracks, programs = report.config, report.tracks, report.programs
    grid = (
        f"{config.steps_per_quarter} steps a quarter"
        if config.encoding == "metric"
        else "steps of 10 ms"
    )
    taken = "" if report.tokens is None else f"{report.tokens:,} tokens; "
    yield "encoding", f"{config.encoding}, {grid}; {taken}vocabulary {report.vocabulary:,}"
    if report.error:
        yield "error", report.error
    yield "notes", _notes(report.notes)
    yield "onsets", _timing(report.onset, report.on_grid.onsets, "begin on the grid")
    yield "durations", _timing(report.duration, report.on_grid.ends, "end on the grid")
    velocity = _spread(report.velocity.error, " of 127")
    left_out = "" if report.velocity.carried else f"left out: all are {DEFAULT_VELOCITY}; "
    yield "velocities", f"{left_out}off by {velocity}" if velocity else ""
    yield "tempo", _tempo(report)
    yield "time signatures", _meters(report)
    yield "tracks", _tracks(tracks)
    lost = {
        "not carried": programs.lost,
        "of drum kits, for which there is no token": programs.drum_kits,
    }
    yield "programs", _counted({**lost, "dropped with their tracks": programs.dropped})
    yield "sustain pedal", _pedal(report)
    if report.counted:
        yield (
            "other events",
            _events([event for event in report.not_carried if event.kind != "meta"]),
        )
    yield (
        "names and marks",
        _events([event for event in report.not_carried if event.kind == "meta"]),
    )


def _notes(notes: Notes) -> str:
    counts = {f"dropped ({WHY[why]})": count for why, count in notes.dropped.items()}
    doubled = f", {notes.doubled:,} even of the same tick" if notes.doubled else ""
    counts[f"merged with another of the same pitch and step{doubled}"] = notes.merged
    counts["cut short by the next of the same pitch"] = notes.clipped
    counts["lengthened to a step from less than half of one"] = notes.lengthened
    if not notes.in_file:
        return "none in the piece"
    kept = (
        f"all {notes.in_file:,}"
        if notes.kept == notes.in_file
        else f"{notes.kept:,} of {notes.in_file:,}"
    )
    return "; ".join([f"{kept} kept", _counted(counts)]).removesuffix("; ")


def _tracks(tracks: Tracks) -> str:
    left = tracks.in_file - tracks.dropped
    dropped = f"{tracks.dropped} of {tracks.in_file} dropped with all their notes"
    become = f"{'the other ' if tracks.dropped else ''}{left} become {tracks.kept}"
    return "; ".join([dropped] * bool(tracks.dropped) + [become] * (tracks.kept < left))


def _counted(counts: dict[str, int]) -> str:
    return "; ".join(f"{count:,} {what}" for what, count in counts.items() if count)


def _timing(error: Error, share: float, where: str) -> str:
    if not error.ticks.max and share == 1:
        return ""
    return f"off by {_spread(error.ms, ' ms')}, {_spread(error.ticks, ' ticks')}; {_percent(share)} {where}"


def _spread(spread: Spread, unit: str) -> str:
    """Return mean, median and largest; nothing if there is no error, one number if they are the same."""
    mean, median, most = (_number(value) for value in (spread.mean, spread.median, spread.max))
    return (
        f"{mean}{unit}" + (f" (median {median}, max {most})" if mean != most else "")
        if spread.max
        else ""
    )


def _tempo(report: Report) -> str:
    tempo, seconds = report.tempo, report.seconds
    if tempo.error is None:
        return (
            "left out: time is kept in seconds" if report.config.encoding == "performance" else ""
        )
    changed = tempo.kept < tempo.in_file
    if not tempo.error.max and not changed:
        return ""
    out = [f"{tempo.kept} of {tempo.in_file} kept" if tempo.carried else "left out: all is 120 bpm"]
    out = out * (changed or not tempo.carried) + [f"off by {_spread(tempo.error, ' bpm')}"] * (
        tempo.error.max > 0
    )
    lasts = f"lasts {seconds.kept:,.1f} s instead of {seconds.in_file:,.1f}"
    return "; ".join(out + [lasts] * (abs(seconds.kept - seconds.in_file) >= 0.05))


def _meters(report: Report) -> str:
    meters = report.meters
    if not meters.carried:
        return "bars are not carried"
    renamed = list(
        dict.fromkeys(f"{meter['from']} becomes {meter['to']}" for meter in meters.approximated)
    )
    cut = "a bar" if meters.cut_short == 1 else f"{meters.cut_short} bars"
    return "; ".join(
        renamed + [f"{cut} cut short, now of a meter of their own"] * bool(meters.cut_short)
    )


def _pedal(report: Report) -> str:
    pedal = report.pedal
    if not pedal.presses or pedal.applied:
        return ""
    return f"{pedal.presses:,} presses left out, which hold {pedal.notes_held:,} notes"


def _events(events: list[NotCarried]) -> str:
    """Name the most frequent kinds, and count the others."""
    events = sorted(events, key=lambda event: -event.count)
    most = MOST_KINDS if len(events) > MOST_KINDS + 1 else len(events)
    named = [
        f"{event.count:,} × {event.name or 'controller'}{'' if event.number is None else f' (CC {event.number})'}"
        for event in events[:most]
    ]
    others = sum(event.count for event in events[most:])
    return ", ".join(named + [f"{others:,} of {len(events) - most} other kinds"] * bool(others))


def settings(change: Mapping[str, Any]) -> str:
    """Say a change as arguments of `EncoderConfig`."""
    return ", ".join(f"{setting}={value}" for setting, value in change.items())


def _effect(suggestion: Suggestion, report: Report) -> str:
    """Say what a suggestion would spare, and what it would cost."""
    spares, costs = (
        ", ".join(_difference(*item) for item in x.items())
        for x in (suggestion.gains, suggestion.costs)
    )
    parts = [spares, f"but {costs}"] if costs else [spares]
    if suggestion.tokens and report.tokens:
        more = suggestion.tokens / report.tokens - 1
        parts += [
            f"{abs(more):.0%} {'more' if more > 0 else 'fewer'} tokens".replace("%", " %")
        ] * (abs(more) >= 0.005)
    parts += [f"vocabulary {suggestion.vocabulary:,}"] * (
        suggestion.vocabulary != report.vocabulary
    )
    return "; ".join(parts)


def _difference(name: str, values: Mapping[str, float]) -> str:
    label, unit, _ = LOSSES[name]
    before, after = _number(values["before"]), _number(values["after"])
    return f"{label} {before} → {after} {unit}".rstrip()


def _number(value: float) -> str:
    """Return a number as people read it: three digits, a hint where it is tiny."""
    if value and value < 0.05:
        return "<0.1"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def _percent(share: float) -> str:
    """Return a share in words; none and all only where it is so."""
    if share in (0, 1):
        return "all" if share else "none"
    return f"{min(max(round(100 * share), 1), 99)} %"


def _listed(items: list[str]) -> str:
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def text(report: Report, worded: Worded = settings) -> str:
    """Return the verdict and a line for each row."""
    lines = rows(report, worded)
    width = max(len(what) for what, _ in lines)
    return "\n".join([verdict(report), *(f"  {what:{width}}  {much}" for what, much in lines)])


def html(report: Report) -> str:
    """Return a table for notebooks."""
    left = ' style="text-align: left; vertical-align: top"'
    lines = "".join(
        f"<tr><th{left}>{markup.escape(what)}</th><td{left}>{markup.escape(much)}</td></tr>"
        for what, much in rows(report, settings)
    )
    return f"<table><caption{left}>{markup.escape(verdict(report))}</caption><tbody>{lines}</tbody></table>"
