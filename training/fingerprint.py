"""Tell models apart by content: adapters and scores of one base mean nothing on another."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_BLOCK = 64 * 1024
_BLOCKS = 64
_TEXTS = ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
_INCIDENTAL = {"transformers_version", "_name_or_path"}


def fingerprint(directory: Path) -> str:
    """Return 16 hexadecimal digits for what a model directory holds, wherever it lies.

    Of each weight file the size and 64 blocks at equal distances count, so that a large model takes no longer
    than a small one: training changes every block, and a cut file its size.

    Args:
        directory: A model directory.
    """
    found = hashlib.sha256()
    for path in sorted(directory.glob("*.safetensors")):
        size = path.stat().st_size
        found.update(f"{path.name} {size}\n".encode())
        with path.open("rb") as stream:
            for start in range(0, size, max(_BLOCK, size // _BLOCKS)):
                stream.seek(start)
                found.update(stream.read(_BLOCK))
    for name in _TEXTS:
        if (directory / name).is_file():
            found.update(f"{name}\n".encode() + _text(directory / name))
    return found.hexdigest()[:16]


def _text(path: Path) -> bytes:
    """Content of a file, without the fields that a newer library changes and the model does not feel."""
    content = path.read_bytes()
    try:
        fields = json.loads(content)
    except ValueError:
        return content
    if isinstance(fields, dict):
        fields = {key: value for key, value in fields.items() if key not in _INCIDENTAL}
    return json.dumps(fields, sort_keys=True).encode()
