"""`regrind.toml`: every setting, decoded and checked, with the place of the fault in each error."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from curation.augmentation.settings import Augment
from curation.errors import UserError
from curation.heldout import Checks
from curation.recipe import Dedup, Redact, Step, Validate
from curation.rules import Settings, demand_known
from curation.selection.settings import Select
from curation.split import Split
from curation.templates import Template  # noqa: TC001  (msgspec reads the annotation)
from judge.prices import Price  # noqa: TC001  (msgspec reads the annotation)
from judge.settings import ServiceSettings
from training.settings import TrainSettings

if TYPE_CHECKING:
    from pathlib import Path

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z"
Name = Annotated[str, msgspec.Meta(pattern=NAME)]
"""A name that is a folder's name too."""


class Data(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The user's inputs, as paths relative to the workspace; they are never written.

    Attributes:
        seed: JSONL files of labelled rows.
        pool: JSONL file of prompts for the production model to answer, or empty.
        references: JSONL file of `{"id", "reference"}` for the pool, or empty.
        max_traces: At most so many imported traces a cycle, the oldest first; the others wait.
    """

    seed: tuple[str, ...] = ("data/seed.jsonl",)
    pool: str = ""
    references: str = ""
    max_traces: Annotated[int, msgspec.Meta(ge=0)] = 10_000


class Heldout(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A held-out set. The gate promotes on a `target`; a `regression` set must not get worse.

    Attributes:
        name: Its name.
        rubric: Path of the rubric that its answers are scored by.
        file: Its items; empty: the newest version that `regrind heldout add` registered under its name.
        role: What the gate uses it for.
    """

    name: Name
    rubric: str
    file: str = ""
    role: Literal["target", "regression"] = "target"


class Curate(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How rows become a snapshot: the steps in their order, the splits, and what is kept out."""

    step: tuple[Step, ...] = (Validate(), Redact(), Dedup(), Select(), Augment(share=0.0))
    split: Split = Split()
    heldout: Checks = Checks()


Kind = Literal["reference", "anthropic", "anthropic-batch", "openai", "http", "local", "plugin"]


class Member(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A judge on a panel.

    Attributes:
        kind: As for the judge itself.
        rubric: Path of its own rubric; the panel's unless given.
        model: The judge's model where it is one; claude-haiku-5-5 for `anthropic` unless given.
        url: Address of an endpoint or a judge server.
        function: `module:function` of a plug-in.
        weight: Of its vote.
    """

    kind: Kind
    rubric: str = ""
    model: str = ""
    url: str = ""
    function: str = ""
    weight: Annotated[float, msgspec.Meta(gt=0, le=1e12)] = 1.0


class Judge(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Who judges the traces, by which rubric, and which score is low.

    Attributes:
        kind: `reference` compares with the pool's references, offline; `anthropic` and `anthropic-batch`
            ask Claude; `openai` any OpenAI-compatible endpoint; `http` a judge server; `local` a model on
            this machine; `plugin` a Python function; `panel` its members.
        rubric: Path of the rubric, relative to the workspace.
        model: The judge's model where it is one: claude-haiku-5-5 for `anthropic` unless given, the name
            that an endpoint knows for `openai`, a folder, a hub id or the embedded model for `local`.
        url: Address of the endpoint (`openai`) or of the judge server (`http`).
        function: `module:function` of a plug-in.
        rule: How a panel decides: `majority` or the weighted `mean`.
        quorum: Share of a panel's weight that must vote.
        threshold: Traces that score below are corrected before they are learned from.
        max_corrections: At most so many corrections a cycle.
        max_abstained: Share of verdicts without a score above which `regrind judge run` ends with exit 3.
    """

    kind: Kind | Literal["panel"] = "reference"
    rubric: str = "rubrics/safety.toml"
    model: str = ""
    url: str = ""
    function: str = ""
    member: tuple[Member, ...] = ()
    rule: Literal["majority", "mean"] = "majority"
    quorum: Share = 0.5
    threshold: Share = 0.7
    max_corrections: Annotated[int, msgspec.Meta(ge=0)] = 1000
    max_abstained: Share = 0.2
    service: ServiceSettings = ServiceSettings()

    def __post_init__(self) -> None:
        if (self.kind == "panel") != bool(self.member):
            raise ValueError("a panel has [[judge.member]] tables, and no other kind of judge does")


class Generate(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How answers are generated; temperature 0 takes the likeliest token each time."""

    max_new_tokens: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 32
    batch_size: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 16
    temperature: Annotated[float, msgspec.Meta(ge=0, le=100)] = 0.0


class Gate(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """When a candidate replaces production.

    Attributes:
        alpha: Chance of a false promotion over all `rounds` together.
        rounds: How many gate decisions share `alpha`.
        min_effect: Smallest gain in mean score that is worth a new model.
        regression: Share of the base model's score that must be kept on each regression set.
    """

    alpha: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.05
    rounds: Annotated[int, msgspec.Meta(ge=1)] = 10
    min_effect: Share = 0.01
    regression: Share = 0.95


class Schedule(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """When `regrind cycle schedule` looks, what must hold for a cycle to run, and who is told of a failure.

    Without `low_scores`, `max_age_hours` and `drift`, every look is a reason. A cycle that has nothing new to
    look at does nothing.

    Attributes:
        cron: Five fields of a cron expression: `0 2 * * *` is two o'clock each night.
        every: Instead of `cron`, the time between two looks: `30m`, `6h` or `1d`.
        timezone: Where the clock of `cron` hangs, such as `Europe/Berlin`.
        low_scores: Run when so many new imported traces score below the judge's threshold; 0 does not ask.
        max_age_hours: Run when the last cycle ended so long ago; 0 does not ask.
        drift: Run when new imported traces score lower than those of the last cycle, by more than chance.
        on_failure: Command line that is started when a cycle fails; it finds the problem in REGRIND_PROBLEM.
        webhook: Address that a failure is POSTed to as JSON.
    """

    cron: str = ""
    every: Annotated[str, msgspec.Meta(pattern=r"^([1-9][0-9]{0,3}[mhd])?\Z")] = ""
    timezone: str = "UTC"
    low_scores: Annotated[int, msgspec.Meta(ge=0)] = 0
    max_age_hours: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    drift: bool = False
    on_failure: str = ""
    webhook: str = ""

    def __post_init__(self) -> None:
        if self.cron and self.every:
            raise ValueError("set either cron or every, not both")


class Traces(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How long traces are kept.

    Attributes:
        keep_days: Traces of more than so many days ago are deleted before a new cycle and at each look of the
            schedule, with all that was said about them; 0 keeps them.
    """

    keep_days: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0


class Config(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Everything in `regrind.toml`.

    `train` holds the fields of `training.settings.TrainSettings`; `price` replaces the shipped prices of
    the models that it names.
    """

    model: Name = "model"
    data: Data = Data()
    heldout: tuple[Heldout, ...] = ()
    curate: Curate = Curate()
    template: tuple[Template, ...] = ()
    price: tuple[Price, ...] = ()
    rules: Settings = Settings()
    judge: Judge = Judge()
    train: dict[str, Any] = {}
    generate: Generate = Generate()
    gate: Gate = Gate()
    schedule: Schedule = Schedule()
    traces: Traces = Traces()

    def __post_init__(self) -> None:
        names = [held.name for held in self.heldout]
        if len(set(names)) < len(names):
            raise ValueError(f"two held-out sets have one name (there is {', '.join(names)})")


def load_config(path: Path) -> Config:
    """Decode `regrind.toml`.

    Raises:
        UserError: There is no such file, it is not TOML, or a setting is unknown or out of range.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf8"))
        config = msgspec.convert(raw, Config)
    except FileNotFoundError as fault:
        fix = "run `regrind init DIR` and work in that folder, or name one with --workspace"
        raise UserError(
            "this folder is no workspace: it has no regrind.toml", where=str(path), fix=fix
        ) from fault
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise UserError(f"not TOML: {fault}", where=str(path), fix="correct the line") from fault
    except msgspec.ValidationError as fault:
        problem, _, place = str(fault).partition(" - at ")
        where = f"{path}: {place.strip('`').removeprefix('$.')}" if place else str(path)
        raise UserError(problem, where=where, fix="see the settings in docs/configuration.md") from fault
    try:
        TrainSettings.from_dict(config.train)
        demand_known(config.rules)
    except UserError as fault:
        raise UserError(fault.problem, where=f"{path}: {fault.where}", fix=fault.fix) from fault
    return config


def rule_settings(config: Config) -> Settings:
    """The `[rules]` table; unless it says otherwise, rows may be as long as the training takes."""
    limit = config.rules.max_tokens or TrainSettings.from_dict(config.train).max_length
    return msgspec.structs.replace(config.rules, max_tokens=limit)
