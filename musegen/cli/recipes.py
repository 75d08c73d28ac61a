"""Recipes: files that hold all settings of a training run, so that it can be repeated."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from musegen.config import EncoderConfig, ModelConfig, TrainingConfig
from musegen.errors import ConfigError

__all__ = ["Recipe"]


def _check_model(settings: Mapping[str, Any]) -> ModelConfig:
    """Check the settings of a model; the encoder determines the size of the vocabulary."""
    return ModelConfig.from_dict({"vocabulary_size": 2, **settings})


_SECTIONS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "encoder": EncoderConfig.from_dict,
    "model": _check_model,
    "training": TrainingConfig.from_dict,
}
"""Section of the file → what checks its settings."""


@dataclass(frozen=True)
class Recipe:
    """The contents of a recipe.

    Attributes:
        about: Its purpose, in a sentence.
        sha256: SHA-256 of the names and tokens of the pieces it was written for; empty if it is for
            any pieces.
        settings: Name of an option of `musegen train` → its value.
    """

    about: str = ""
    sha256: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Recipe:
        r"""Read a TOML file with the sections [data], [encoder], [model] and [training].

        Raises:
            ConfigError: It is not TOML, or a section or setting is unknown or out of range.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "small.toml")
        ...     _ = path.write_text("about = 'Folk tunes'\n[model]\nunits = 64")
        ...     Recipe.read(path)
        Recipe(about='Folk tunes', sha256='', settings={'units': 64})
        """
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(
                f"cannot read the recipe {path}: {error.strerror or error}. "
                "Give the path of a readable file."
            ) from error
        except ValueError as error:  # TOML's own and Unicode's
            raise ConfigError(
                f"{path} is not a recipe. Expected: TOML. Received: {error}. Correct the file."
            ) from error
        about, data = document.pop("about", ""), document.pop("data", {})
        texts = {"about": about, **(data if isinstance(data, dict) else {"data": data})}
        unknown = [*(document.keys() - _SECTIONS), *(texts.keys() - {"about", "sha256"})]
        if unknown or not all(isinstance(text, str) for text in texts.values()):
            raise ConfigError(
                f"{path} is not a recipe. Expected: about and data.sha256, both text, and the "
                f"sections {', '.join(_SECTIONS)}. "
                f"Received: {', '.join(sorted(unknown)) or texts}. Correct the file."
            )
        settings: dict[str, Any] = {}
        for name, values in document.items():
            try:
                _SECTIONS[name](values)
            except (ConfigError, TypeError) as error:
                raise ConfigError(f"{path}, section {name}: {error}") from error
            settings |= values
        return cls(about, texts.get("sha256", ""), settings)
