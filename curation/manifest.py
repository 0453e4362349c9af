"""The manifest of a snapshot: what it is, what was done, and the hash of each of its files."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from curation.contents import Contents  # noqa: TC001  (msgspec reads the annotation)
from curation.errors import UserError
from curation.state import Tally  # noqa: TC001  (msgspec reads the annotation)

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 3
NAME = "manifest.json"
RESTORE = "restore the folder from a backup; `regrind snapshot verify` lists every fault"
REMOVE = "restore the folder from a backup, or remove it: `regrind curate run` then writes a new snapshot"


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a snapshot is.

    Attributes:
        id: Hash of its rows, or of how they differ from the parent's, of the parent and of the recipe.
        parent: Id of the snapshot it grew from, or null.
        layers: Ids of the snapshots that wrote its rows, the oldest first, itself last.
        recipe: The steps with their settings, the inputs with their hashes, and what was kept out.
        steps: Rows in and out of each step, drops by reason.
        splits: Rows by split.
        heldout: Versions of the held-out sets that were kept out, by name, the oldest first.
        contents: What its rows are, in counts.
        files: SHA-256 of each file, by name.
        versions: Of the libraries that wrote it; no part of the id.
        format: Version of this layout.
        seal: SHA-256 of all the other fields.
    """

    id: str
    parent: str | None
    layers: list[str]
    recipe: dict[str, Any]
    steps: list[Tally]
    splits: dict[str, int]
    heldout: dict[str, list[str]]
    contents: Contents
    files: dict[str, str]
    versions: dict[str, str] = {}
    format: int = FORMAT
    seal: str = ""

    @property
    def own(self) -> int:
        """The number of the layer that it wrote itself."""
        return len(self.layers) - 1


def sealed(manifest: Manifest) -> Manifest:
    """The manifest with the seal that its other fields give."""
    bare = msgspec.structs.replace(manifest, seal="")
    seal = hashlib.sha256(msgspec.json.encode(bare, order="sorted")).hexdigest()
    return msgspec.structs.replace(bare, seal=seal)


def write_manifest(folder: Path, manifest: Manifest) -> Manifest:
    """Write the sealed manifest into a folder, and return it."""
    done = sealed(manifest)
    (folder / NAME).write_bytes(msgspec.json.format(msgspec.json.encode(done), indent=2))
    return done


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a snapshot.

    Raises:
        UserError: There is no snapshot here, or its manifest does not decode or was changed.
    """
    manifest = decode(folder)
    if sealed(manifest).seal != manifest.seal:
        raise UserError("the manifest was changed", where=str(folder / NAME), fix=RESTORE)
    return manifest


def decode(folder: Path) -> Manifest:
    """The manifest as it stands, whether its seal fits or not.

    Raises:
        UserError: There is no snapshot here, or its manifest does not decode.
    """
    path = folder / NAME
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError as fault:
        raise UserError(
            "there is no such snapshot", where=str(folder), fix="run `regrind snapshot list`"
        ) from fault
    except msgspec.DecodeError as fault:
        raise UserError(f"the manifest is damaged: {fault}", where=str(path), fix=REMOVE) from fault
    except OSError as fault:
        raise UserError(f"the manifest cannot be read: {fault}", where=str(path), fix=REMOVE) from fault
    if found.format != FORMAT:
        problem = f"the manifest has format {found.format}, this version of regrind reads format {FORMAT}"
        raise UserError(problem, where=str(path), fix=REMOVE)
    return found


def chain(folder: Path) -> list[Manifest]:
    """The manifests of a snapshot and of those that it grew from, the newest first, as far as they are there.

    Raises:
        UserError: One of them is damaged, or the snapshot itself is missing.
    """
    manifests = [read_manifest(folder)]
    while (parent := manifests[-1].parent) and (folder.parent / parent / NAME).exists():
        manifests.append(read_manifest(folder.parent / parent))
    return manifests


def missing_parent(folder: Path, manifest: Manifest) -> str | None:
    """The id of the parent of the snapshot in a folder, where that is not there any more."""
    parent = manifest.parent
    return None if parent is None or (folder.parent / parent / NAME).exists() else parent
