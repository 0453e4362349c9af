"""A workspace: where everything lies, below the folder that has the regrind.toml."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from curation.errors import UserError
from curation.files import file_hash, remove_leftovers
from curation.registry import registered
from loop.config import Config, load_config

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Workspace:
    """Paths of a workspace and its configuration.

    Attributes:
        root: The folder that has the regrind.toml.
    """

    root: Path

    @cached_property
    def config(self) -> Config:
        """The decoded regrind.toml; raises UserError when it is missing or wrong."""
        return load_config(self.root / "regrind.toml")

    @property
    def hidden(self) -> Path:
        """The folder that regrind writes to."""
        return self.root / ".regrind"

    @property
    def store(self) -> Path:
        """The DuckDB file that is written."""
        return self.hidden / "traces.duckdb"

    @property
    def view(self) -> Path:
        """The published copy that anyone may read at any time."""
        return self.hidden / "view.duckdb"

    @property
    def snapshots(self) -> Path:
        """One folder a snapshot."""
        return self.hidden / "snapshots"

    @property
    def heldout(self) -> Path:
        """Registered held-out sets, a folder a name."""
        return self.hidden / "heldout"

    @property
    def spool(self) -> Path:
        """Verdicts that are not in the store yet."""
        return self.hidden / "spool"

    @property
    def arrivals(self) -> Path:
        """Imported traces that are not in the store yet."""
        return self.spool / "arrivals"

    @property
    def step_rows(self) -> Path:
        """Rows of steps that are not committed yet."""
        return self.spool / "steps"

    @property
    def lock(self) -> Path:
        """Held by whoever writes here."""
        return self.hidden / "lock"

    @property
    def jobs(self) -> Path:
        """Training jobs: what goes in and what comes out."""
        return self.hidden / "jobs"

    def model(self, version: int) -> Path:
        """Folder of a version of the workspace's model."""
        return self.hidden / "models" / self.config.model / str(version)

    def path(self, relative: str) -> Path:
        """A path of the configuration, which may be absolute."""
        return self.root / relative

    def inputs(self) -> dict[str, str]:
        """SHA-256 of every input file that the configuration names, and versions of registered sets.

        Raises:
            UserError: One of them is missing.
        """
        config = self.config
        names = [*config.data.seed, config.data.pool, config.data.references, config.judge.rubric]
        names += [member.rubric for member in config.judge.member]
        names += [name for held in config.heldout for name in (held.file, held.rubric)]
        newest = {known.held.name: known.held.version for known in registered(self.heldout)}
        frozen = {
            f"heldout {held.name}": newest.get(held.name, "") for held in config.heldout if not held.file
        }
        return {name: self.hash_of(name) for name in dict.fromkeys(names) if name} | frozen

    def hash_of(self, name: str) -> str:
        """SHA-256 of a file that the configuration names.

        Raises:
            UserError: It is missing.
        """
        try:
            return file_hash(self.path(name))
        except OSError as fault:
            fix = f"put the file there, or change its name in {self.root / 'regrind.toml'}"
            raise UserError("there is no such file", where=str(self.path(name)), fix=fix) from fault

    def tidy(self) -> None:
        """Remove what a killed process left half-written."""
        folders = (
            self.hidden,
            self.spool,
            self.arrivals,
            *self.step_rows.glob("*"),
            self.snapshots,
            self.jobs,
            self.model(0).parent,
        )
        for folder in (*folders, *self.heldout.glob("*"), *self.jobs.glob("*")):
            if folder.is_dir():
                remove_leftovers(folder)
