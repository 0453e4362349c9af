"""What is wrong with a snapshot: files changed, missing or foreign, a manifest that says something else."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from curation.errors import UserError
from curation.files import file_hash
from curation.identity import content_id
from curation.manifest import NAME, RESTORE, Manifest, decode, sealed
from curation.rows import with_ids
from curation.stored import GONE, part, parts, read_layer, read_parquet, read_rows

if TYPE_CHECKING:
    from pathlib import Path


def verify(folder: Path) -> list[str]:
    """What is wrong with a snapshot; empty if all is well.

    Raises:
        UserError: There is no snapshot here, or its manifest does not decode.
    """
    manifest = decode(folder)
    faults = _files(folder, manifest) + _inherited(folder, manifest)
    if not faults:
        faults += _content(folder, manifest)
    if sealed(manifest) != manifest:
        faults.append(f"{NAME}: changed since it was written")
    if folder.name != manifest.id:
        faults.append(f"{NAME}: the folder is called {folder.name}, the snapshot {manifest.id}")
    return faults


def demand_whole(folder: Path) -> None:
    """Refuse a snapshot that is not as it was written.

    Raises:
        UserError: It is missing or changed.
    """
    if faults := verify(folder):
        raise UserError(f"the snapshot is damaged: {faults[0]}", where=str(folder), fix=RESTORE)


def _files(folder: Path, manifest: Manifest) -> list[str]:
    present = {path.name for path in folder.iterdir()} - {NAME}
    faults = [f"{name}: missing" for name in sorted(manifest.files.keys() - present)]
    faults += [f"{name}: does not belong here" for name in sorted(present - manifest.files.keys())]
    for name in sorted(manifest.files.keys() & present):
        if not (folder / name).is_file():
            faults.append(f"{name}: no file any more")
        elif file_hash(folder / name) != manifest.files[name]:
            faults.append(f"{name}: changed since it was written")
    return faults


def _inherited(folder: Path, manifest: Manifest) -> list[str]:
    """Files of the parent's that are not the parent's; nothing where it is not there any more."""
    if not manifest.parent or not (folder.parent / manifest.parent / NAME).exists():
        return []
    parent = decode(folder.parent / manifest.parent).files
    names = [name for layer in range(manifest.own) for name in parts(layer)]
    return [
        f"{name}: not that of the parent" for name in names if manifest.files.get(name) != parent.get(name)
    ]


def _content(folder: Path, manifest: Manifest) -> list[str]:
    """Whether the files say what the manifest says."""
    faults = []
    own = read_layer(folder, manifest.own)
    gone = read_parquet(folder / part(GONE, manifest.own))["id"].to_list() if manifest.own else []
    if (n := int((with_ids(own)["id"] != own["id"]).sum())) > 0:
        faults.append(f"the rows: {n} have another id than their messages")
    if content_id(own, gone, manifest.recipe, manifest.parent) != manifest.id:
        faults.append(f"{NAME}: the id is not that of the content")
    if Counter(read_rows(folder, columns=["id"])["split"]) != Counter(manifest.splits):
        faults.append(f"{NAME}: the splits are not those of the files")
    return faults
