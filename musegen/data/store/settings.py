"""Read and write `store.json`: the settings that a store was made with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from musegen.config import EncoderConfig
from musegen.encoding.encoder import Encoder
from musegen.errors import ConfigError, MusegenError
from musegen.utils.files import atomic_path

__all__ = [
    "INDEX",
    "REPORT",
    "SETTINGS",
    "is_store",
    "load_settings",
    "new_settings",
    "read_settings",
    "write_settings",
]

FORMAT = 1
SETTINGS = "store.json"
INDEX = "index.npz"
REPORT = "report.tsv"

KEYS = {"format": int, "encoder": dict, "vocabulary": str}
"""Keys that `store.json` has in every version, and their types: they identify a store."""


def is_store(path: Path) -> bool:
    """Return whether a folder is a token store: one with a `store.json` that musegen wrote.

    >>> is_store(Path("no such folder"))
    False
    """
    try:
        load_settings(path)
    except MusegenError:
        return False
    return True


def new_settings(encoder: Encoder, max_tokens: int) -> dict[str, Any]:
    """Return the settings of a new store."""
    return {
        "format": FORMAT,
        "encoder": encoder.config.to_dict(),
        "vocabulary": encoder.vocabulary.fingerprint,
        "max_tokens": max_tokens,
    }


def write_settings(store: Path, settings: dict[str, Any]) -> None:
    """Write `store.json`."""
    with atomic_path(store / SETTINGS) as temporary:
        temporary.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def load_settings(store: Path) -> dict[str, Any]:
    """Return the `store.json` that musegen wrote, whatever its version.

    Raises:
        MusegenError: It does not exist, cannot be read, or is a file of something else.
    """
    path = store / SETTINGS
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MusegenError(
            f"{path} does not exist: {store} is no token store. Make one: musegen encode."
        ) from error
    except OSError as error:
        why = error.strerror or error
        raise MusegenError(f"{path} cannot be read: {why}. Make it readable.") from error
    except RecursionError as error:
        raise _foreign(store, "lists in lists without end") from error
    except ValueError as error:
        raise _foreign(store, f"no JSON: {error}") from error
    if not isinstance(settings, dict):
        raise _foreign(store, f"a {type(settings).__name__}")
    if not all(isinstance(settings.get(key), kind) for key, kind in KEYS.items()):
        first = "".join(f", {key[:40]!r}" for key in list(settings)[:3])
        raise _foreign(store, f"{len(settings)} key(s){first}")
    return settings


def _foreign(store: Path, received: str) -> MusegenError:
    return MusegenError(
        f"{store} is no token store, its {SETTINGS} is not one of musegen's. Expected: an object "
        f"with {', '.join(KEYS)}. Received: {received}. Nothing there was changed: choose another "
        f"place with -o, or remove {store} yourself if you know it for a damaged store."
    )


def read_settings(store: Path) -> tuple[dict[str, Any], Encoder]:
    """Return the content of `store.json`, and the encoder that it describes.

    Raises:
        MusegenError: There is no store, or it is damaged or of another version.
    """
    path = store / SETTINGS
    again = "Make the store again: musegen encode --force."
    settings = load_settings(store)
    if settings["format"] != FORMAT:
        raise MusegenError(
            f"{path} is a store of format {settings['format']!r}; this version of musegen reads "
            f"format {FORMAT}. {again}"
        )
    max_tokens = settings.get("max_tokens")
    if not isinstance(max_tokens, int):
        raise MusegenError(
            f"{path} is damaged: max_tokens must be a number. Received: {str(max_tokens)[:40]}. "
            f"{again}"
        )
    try:
        encoder = Encoder(EncoderConfig.from_dict(settings["encoder"]))
    except (ConfigError, TypeError) as error:
        raise MusegenError(
            f"{path} has encoder settings that this version does not know: {error}"
        ) from error
    if encoder.vocabulary.fingerprint != settings["vocabulary"]:
        raise MusegenError(
            f"{path} has tokens of another vocabulary than this version of musegen makes from "
            f"the same settings. {again}"
        )
    return settings, encoder
