"""Croissant metadata of a folder of Parquet files: what is in it, for catalogues and loaders.

The format is MLCommons' Croissant 1.0 (https://docs.mlcommons.org/croissant/docs/croissant-spec.html).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curation.files import file_hash

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_OF_CROISSANT = (
    "citeAs column equivalentProperty examples extract field fileObject fileProperty fileSet format "
    "includes isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace "
    "samplingRate separator source subField transform"
)
CONTEXT = {key: f"cr:{key}" for key in _OF_CROISSANT.split()} | {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
}


def croissant(folder: Path, files: Mapping[str, str], identity: str, licence: str | None) -> dict[str, Any]:
    """The metadata of a snapshot's files.

    Args:
        folder: Where they lie.
        files: Their names, by split.
        identity: The snapshot's id.
        licence: Its licence, where one is given.
    """
    found = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": f"regrind-{identity}",
        "description": f"Training data of the regrind snapshot {identity}.",
        "version": "1.0.0",
        "distribution": [_file(folder, name) for name in files.values()],
        "recordSet": [_records(split, name) for split, name in files.items()],
    }
    return found | ({"license": licence} if licence else {})


def _file(folder: Path, name: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "encodingFormat": "application/x-parquet",
        "sha256": file_hash(folder / name),
    }


def _records(split: str, name: str) -> dict[str, Any]:
    def field(column: str, about: str, part: str = "") -> dict[str, Any]:
        source: dict[str, Any] = {"fileObject": {"@id": name}, "extract": {"column": column}}
        if part:
            source["transform"] = {"jsonPath": part}
        place = f"{split}/{column}/{part}" if part else f"{split}/{column}"
        found = {"@type": "cr:Field", "@id": place, "name": part or column, "description": about}
        return found | {"dataType": "sc:Text", "source": source}

    turns = [field("messages", "Who speaks.", "role"), field("messages", "What is said.", "content")]
    messages = {"@type": "cr:Field", "@id": f"{split}/messages", "name": "messages", "repeated": True}
    fields = [
        field("id", "Content hash of the messages."),
        messages | {"description": "The turns of the conversation.", "subField": turns},
        field("tags", "Tags.") | {"repeated": True},
        field("source", "Where the row was read."),
    ]
    return {"@type": "cr:RecordSet", "@id": split, "name": split, "field": fields}
