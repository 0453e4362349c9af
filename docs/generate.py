"""Writes the generated pages of docs/ and the README's file tree; `--check` finds stale ones."""

from __future__ import annotations

import ast
import inspect
import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import typer.main

from curation import steps
from curation.augmentation.settings import Augment
from curation.rules import RULES, Rule, Settings
from curation.selection.settings import Select
from curation.templates import Template
from judge.prices import PRICES, Price
from judge.settings import ServiceSettings
from loop import config
from loop.cli import app
from tests.judge.faults import BATCH_FAULTS, FAULTS, Fault
from training import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    import click

    from curation.rules.rule import Chat

DOCS = Path(__file__).parent
ROOT = DOCS.parent
ROOMS = ("curation", "judge", "training", "loop")
BEGIN, END = "<!-- tree: made by `make docs` -->", "<!-- end of tree -->"
FAULTS_BEGIN, FAULTS_END = "<!-- faults: made by `make docs` from the tests -->", "<!-- end of faults -->"
PRICES_BEGIN, PRICES_END = "<!-- prices: made by `make docs` -->", "<!-- end of prices -->"
TABLES = {
    "top level": config.Config,
    "[data]": config.Data,
    "[[heldout]]": config.Heldout,
    "[curate.split]": config.Split,
    "[curate.heldout]": config.Checks,
    "[[template]]": Template,
    "[rules]": Settings,
    "[judge]": config.Judge,
    "[[judge.member]]": config.Member,
    "[judge.service]": ServiceSettings,
    "[[price]]": Price,
    "[generate]": config.Generate,
    "[gate]": config.Gate,
    "[schedule]": config.Schedule,
    "[traces]": config.Traces,
}
STEPS = (steps.Validate, steps.Redact, steps.Dedup, Select, Augment, steps.Merge)


def cli() -> str:
    """The command reference, one section a command."""
    root = typer.main.get_command(app)
    lines = ["# Commands", "", "Made by `make docs` from the code; do not edit.", ""]
    lines += ["Results go to stdout, progress and the next command to stderr."]
    lines += ["Exit codes: 0 done, 1 the user can fix it"]
    lines += ["(the message says where and how), 2 usage, 3 the gate held or a check found errors.", ""]
    for path, command in commands(root, "regrind"):
        lines += [f"## {path}", "", (command.help or "").strip(), "", *parameters(command), ""]
    return "\n".join(lines)


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Every command below one, with its full name."""
    for name, child in sorted(getattr(command, "commands", {}).items()):
        if hasattr(child, "commands"):
            yield from commands(child, f"{path} {name}")
        else:
            yield f"{path} {name}", child


def parameters(command: click.Command) -> list[str]:
    """Arguments and options of a command as a list."""
    lines = []
    for p in command.params:
        name = ", ".join(p.opts) if p.param_type_name == "option" else (p.name or "").upper()
        lines.append(f"- `{name}`: {getattr(p, 'help', None) or ''}".rstrip(": "))
    return [line for line in lines if "--help" not in line]


def configuration() -> str:
    """Every table of regrind.toml with its settings and defaults."""
    lines = ["# Settings", "", "Made by `make docs` from the code; do not edit.", ""]
    lines += ["`regrind.toml` in the workspace holds every setting; secrets come from the environment.", ""]
    for name, struct in TABLES.items():
        lines += [f"## {name}", "", inspect.getdoc(struct) or "", "", *defaults(struct), ""]
    lines += ["## [[curate.step]]", "", "Steps run in their order. Each table names its `step`.", ""]
    for struct in STEPS:
        lines += [f'### step = "{struct.__struct_config__.tag}"', "", inspect.getdoc(struct) or "", ""]
        lines += [*defaults(struct), ""]
    lines += [
        "[rules.md](rules.md) has the rules that `validate` asks; one of level error always drops the row."
    ]
    lines += ["", "## [train]", "", *train_fields(), ""]
    return "\n".join(lines)


def rules() -> str:
    """The rule reference: a table of all rules, then a section each."""
    lines = ["# Rules", "", "Made by `make docs` from the code; do not edit.", ""]
    lines += ["`regrind curate validate`, `regrind check` and the step `validate` ask these. Which of them"]
    lines += [
        "follows from what the rows are for (`--kind`); `[rules]` in `regrind.toml` chooses among them, sets"
    ]
    lines += ["their levels and limits ([settings](configuration.md)). An error makes a file invalid.", ""]
    lines += ["| code | level | kinds | what is wrong |", "|---|---|---|---|"]
    lines += [
        f"| [{r.code}](#{r.code.lower()}) | {r.level} | {', '.join(r.kinds)} | {r.title} |" for r in RULES
    ]
    for rule in RULES:
        lines += ["", f"## {rule.code}", "", *rule_section(rule)]
    return "\n".join([*lines, ""])


def rule_section(rule: Rule) -> list[str]:
    """What a rule catches, why, and an example as one shortened line of JSON."""
    lines = [f"**{rule.title[0].upper()}{rule.title[1:]}** ({rule.level}; {', '.join(rule.kinds)})", ""]
    lines += [rule.catches, "", f"*Why:* {rule.why}", "", f"*Fix:* {rule.fix}.", ""]
    lines += ["*Example:*", "", "```json", as_line(rule.example), "```"]
    if rule.around:
        many = f"{len(rule.around)} rows such as" if len(rule.around) > 1 else "this row"
        place = "in another file than" if rule.across else "in one file with"
        lines += ["", f"{place} {many}", "", "```json", as_line(rule.around[-1]), "```"]
    return lines


def as_line(chat: Chat) -> str:
    """A chat as a line of JSON, its long texts cut."""
    turns = [{"role": turn[0], "content": shortened(turn[1])} for turn in chat]
    return json.dumps({"messages": turns}, ensure_ascii=False)


def shortened(text: str) -> str:
    """The beginning of a long text."""
    return text if len(text) <= 120 else f"{text[:120]}…"


def defaults(struct: type[msgspec.Struct]) -> list[str]:
    """Plain settings of a struct, one line each; tables inside it have sections of their own."""
    lines = []
    for field in msgspec.structs.fields(struct):
        if isinstance(field.default, msgspec.Struct) or field.name in {
            "heldout",
            "member",
            "price",
            "step",
            "template",
            "train",
        }:
            continue
        required = field.default is msgspec.NODEFAULT
        shown = "required" if required else f"default `{plain(field.default)}`"
        lines.append(f"- `{field.name}`: {shown}")
    return lines


def plain(value: object) -> str:
    """A default as TOML would have it."""
    return "inf" if value == float("inf") else msgspec.json.encode(value).decode()


def train_fields() -> list[str]:
    """Settings of a training run, with the line under each field."""
    tree = ast.parse(inspect.getsource(settings))
    body = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "TrainSettings").body
    lines = []
    for field, text in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and field.value:
            said = ast.literal_eval(text.value)
            lines.append(f"- `{ast.unparse(field.target)}`: default `{ast.unparse(field.value)}`. {said}")
    return lines


def readme() -> str:
    """The README with the tree of our files between its two marks."""
    text = (ROOT / "README.md").read_text(encoding="utf8")
    return between(text, BEGIN, END, ["```", *tree(), "```"])


def between(text: str, begin: str, end: str, lines: list[str]) -> str:
    """A text with lines in place of what stands between two marks."""
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return "".join([before, begin, "\n", "\n".join(lines), "\n", end, after])


def judge() -> str:
    """The judge's page with the tables of faults and of prices between their marks."""
    text = (DOCS / "judge.md").read_text(encoding="utf8")
    return between(
        between(text, FAULTS_BEGIN, FAULTS_END, fault_table()), PRICES_BEGIN, PRICES_END, price_lines()
    )


def fault_table() -> list[str]:
    """One line a fault: what the tests serve and what they see become of it."""
    lines = ["| fault | judges | requests | wait between | state |", "|---|---|---|---|---|"]
    lines += [
        f"| {f.name} | {', '.join(f.judges)} | {requests(f)} | {f.waits or '-'} | {f.state} |" for f in FAULTS
    ]
    lines += ["| refused connection | anthropic, openai, http | 8 | jitter | failed |"]
    return lines + [
        f"| result of a batch: {name} | anthropic-batch | - | - | {state} |"
        for name, state in BATCH_FAULTS.items()
    ]


def requests(fault: Fault) -> str:
    """How often is asked, with the probe that tells a bad item from a service that refuses everything."""
    probed = fault.name[:3] in {"301", "400", "403", "404", "422"}
    return f"{fault.requests} and a probe" if probed else str(fault.requests)


def price_lines() -> list[str]:
    """One line a price."""
    lines = [
        "| model | up to tokens | input | output | cached | cache write | batch |",
        "|---|---|---|---|---|---|---|",
    ]
    for price in (price for bands in PRICES.values() for price in bands):
        limit = "any" if price.up_to == float("inf") else f"{price.up_to:,.0f}"
        cells = [price.model, limit, price.input, price.output, price.cached, price.cache_write, price.batch]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def tree() -> Iterator[str]:
    """One line a file: its place and the first line of its docstring."""
    for room in ROOMS:
        yield f"{room}/"
        for path in sorted((ROOT / room).rglob("*.py"), key=lambda p: (p.parent.parts, p.name)):
            said = (ast.get_docstring(ast.parse(path.read_text(encoding="utf8"))) or "").partition("\n")[0]
            if path.name != "__init__.py" or path.parent == ROOT / room:
                name = str(path.relative_to(ROOT / room))
                yield f"  {name:<22} {said}"


def main() -> None:
    """Write the pages, or with `--check` compare them."""
    pages = {DOCS / "cli.md": cli(), DOCS / "configuration.md": configuration(), DOCS / "rules.md": rules()}
    pages |= {ROOT / "README.md": readme(), DOCS / "judge.md": judge()}
    stale = [p for p, text in pages.items() if not p.exists() or p.read_text(encoding="utf8") != text]
    if "--check" in sys.argv:
        sys.exit(f"out of date, run `make docs`: {', '.join(p.name for p in stale)}" if stale else 0)
    for path, text in pages.items():
        path.write_text(text, encoding="utf8")


if __name__ == "__main__":
    main()
