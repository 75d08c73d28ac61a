"""Read, write and find checkpoints: directories with `config.json` and `model.weights.h5`.

Nothing is pickled, so opening a stranger's checkpoint runs no code of theirs.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.config import EncoderConfig, ModelConfig
from musegen.encoding.vocabulary import Vocabulary
from musegen.errors import CheckpointError, ConfigError
from musegen.score import Track
from musegen.utils.files import atomic_path

__all__ = ["FORMAT", "Checkpoint", "available", "find", "load", "save"]

FORMAT = 1
CONFIG, WEIGHTS = "config.json", "model.weights.h5"
Weights = dict[str, list[NDArray[np.float32]]]
"""Layer name → its arrays, in Keras's order."""


@dataclass(frozen=True)
class Checkpoint:
    """A trained model on disk.

    Attributes:
        path: The directory.
        encoder: How music is encoded.
        model: The network's shape.
        ensemble: The usual instruments of the training pieces, part by part; a new piece without a
            primer is written for them.
        provenance: The training settings, the data, and the likelihood of held-out pieces.
    """

    path: Path
    encoder: EncoderConfig
    model: ModelConfig
    ensemble: tuple[Track, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The directory's name."""
        return self.path.name

    @property
    def fills(self) -> bool:
        """Whether the model fills gaps; otherwise it continues music."""
        return self.model.future > 0

    def weights(self) -> Weights:
        """Read the weights without Keras.

        Raises:
            CheckpointError: The file is not what `config.json` says it is.
        """
        import h5py

        out: Weights = {}
        try:
            with h5py.File(self.path / WEIGHTS) as file:
                file.visititems(_refuse_external)
                for group in file["layers"].values():
                    arrays = group["cell/vars"] if "cell" in group else group["vars"]
                    name = str(group["vars"].attrs["name"])
                    if len(arrays):
                        out[name] = [
                            np.asarray(arrays[str(i)], np.float32) for i in range(len(arrays))
                        ]
        except (OSError, KeyError) as error:
            raise CheckpointError(
                f"{self.path / WEIGHTS} is not a Keras weights file: {error}. "
                "Copy or train the checkpoint again."
            ) from error
        return out


def _halve(source: Path, target: Path) -> None:
    """Copy a Keras weights file in half precision, except for arrays that would overflow."""
    import h5py

    with h5py.File(source) as file, h5py.File(target, "w") as half:

        def copy(name: str, item: Any) -> None:
            if isinstance(item, h5py.Group):
                made = half.require_group(name)
            else:
                array = item[...]
                fits = np.abs(array).max(initial=0) <= np.finfo(np.float16).max
                made = half.create_dataset(name, data=array.astype(np.float16) if fits else array)
            made.attrs.update(item.attrs)

        half.attrs.update(file.attrs)
        file.visititems(copy)


def _refuse_external(name: str, item: Any) -> None:
    """Refuse weights stored in other files on the reader's disk (as Keras does since 2026)."""
    if getattr(item, "external", None) or getattr(item, "is_virtual", False):
        raise CheckpointError(
            f"the weights {name!r} point outside their file. Do not use this checkpoint."
        )


def roots() -> Iterator[Path]:
    """Yield the folders in which named checkpoints are looked up, in order of precedence."""
    for folder in os.environ.get("MUSEGEN_CHECKPOINTS", "").split(os.pathsep):
        if folder:
            yield Path(folder)
    package = Path(__file__).parent.parent
    yield package / "checkpoints"  # in an installed wheel
    yield package.parent / "checkpoints"  # in a clone


def available() -> dict[str, Path]:
    """Return the checkpoints that can be loaded by name: name → directory."""
    found: dict[str, Path] = {}
    for root in roots():
        for config in sorted(root.glob(f"*/{CONFIG}")):
            found.setdefault(config.parent.name, config.parent)
    return found


def find(name_or_path: str | Path) -> Path:
    """Return the directory of a checkpoint given by path or by name.

    Raises:
        CheckpointError: There is none; the message lists the names that exist.

    Example:
        >>> find("folk").name
        'folk'
    """
    path = Path(name_or_path)
    if (path / CONFIG).is_file():
        return path
    named = available()
    if str(name_or_path) in named:
        return named[str(name_or_path)]
    raise CheckpointError(
        f"checkpoint must be a directory with a {CONFIG}, or one of {sorted(named)}. "
        f"Received: {str(name_or_path)!r}. Set MUSEGEN_CHECKPOINTS to add a folder of checkpoints, "
        "or make one with `musegen train`."
    )


def load(name_or_path: str | Path) -> Checkpoint:
    """Read and verify a checkpoint given by path or by name.

    Raises:
        CheckpointError: It is missing, damaged, or was written by another version of musegen.

    Example:
        >>> checkpoint = load("folk")
        >>> checkpoint.name, checkpoint.encoder.encoding, checkpoint.fills
        ('folk', 'metric', False)
        >>> sorted(checkpoint.provenance["nats_per_note"]["test"])
        ['bigram', 'model', 'uniform']
    """
    path = find(name_or_path)
    again = "Copy it again from its source, or train it again."
    try:
        config = json.loads((path / CONFIG).read_text())
        if config["format"] != FORMAT:
            raise CheckpointError(
                f"{path} must have format {FORMAT}. Received: format {config['format']}. "
                "Use the version of musegen that wrote it, or train it again."
            )
        digest = hashlib.sha256((path / WEIGHTS).read_bytes()).hexdigest()
        encoder = EncoderConfig.from_dict(config["encoder"])
        model = ModelConfig.from_dict(config["model"])
        ensemble = tuple(Track(**track) for track in config["ensemble"])
        fingerprint, expected = config["vocabulary"], config["weights_sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, ConfigError):
            raise CheckpointError(f"{path / CONFIG}: {error}") from error
        raise CheckpointError(f"{path} is not a complete checkpoint: {error!r}. {again}") from error
    if digest != expected:
        raise CheckpointError(
            f"{path / WEIGHTS} must have SHA-256 {expected}. Received: {digest}. {again}"
        )
    if Vocabulary(encoder).fingerprint != fingerprint:
        raise CheckpointError(
            f"{path} was trained with another vocabulary than this version of musegen builds. "
            "Use the version that wrote it, or train it again."
        )
    return Checkpoint(path, encoder, model, ensemble, config.get("training", {}))


def save(checkpoint: Checkpoint, weights: Path, *, half: bool = False) -> None:
    """Write a checkpoint to its path, with a copy of a Keras weights file.

    The weights are written before `config.json`, which makes the directory a checkpoint.

    Args:
        checkpoint: The checkpoint.
        weights: Keras's weights file.
        half: Store the weights in half precision: half the space, 11 bits of mantissa.
    """
    with atomic_path(checkpoint.path / WEIGHTS) as temporary:
        if half:
            _halve(weights, temporary)
        else:
            shutil.copyfile(weights, temporary)
    config = {
        "format": FORMAT,
        "encoder": checkpoint.encoder.to_dict(),
        "model": checkpoint.model.to_dict(),
        "vocabulary": Vocabulary(checkpoint.encoder).fingerprint,
        "weights_sha256": hashlib.sha256((checkpoint.path / WEIGHTS).read_bytes()).hexdigest(),
        "ensemble": [
            {"name": t.name, "program": t.program, "is_drum": t.is_drum}
            for t in checkpoint.ensemble
        ],
        "training": dict(checkpoint.provenance),
    }
    with atomic_path(checkpoint.path / CONFIG) as temporary:
        temporary.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n")
