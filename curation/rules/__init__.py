"""All rules in the order of their codes, and which of them apply."""

from __future__ import annotations

from curation.errors import UserError
from curation.rules.answers import ANSWERS
from curation.rules.lengths import LENGTHS
from curation.rules.prompts import PROMPTS
from curation.rules.rule import Kind, Level, Rule, Settings
from curation.rules.size import SIZE
from curation.rules.text import TEXT
from curation.rules.turns import TURNS

__all__ = ["RULES", "Kind", "Level", "Rule", "Settings", "chosen", "demand_known", "level_of"]

RULES: tuple[Rule, ...] = (*TURNS, *LENGTHS, *ANSWERS, *TEXT, *PROMPTS, *SIZE)


def chosen(kind: Kind, settings: Settings) -> list[Rule]:
    """The rules for a kind of rows that the settings select and do not ignore."""
    demand_known(settings)
    return [
        rule
        for rule in RULES
        if kind in rule.kinds
        and rule.code.startswith(settings.select or ("",))
        and not rule.code.startswith(settings.ignore)
    ]


def level_of(rule: Rule, settings: Settings) -> Level:
    """The rule's level: the settings' where they name it, the longest code first, else its own."""
    named = [code for code in settings.levels if rule.code.startswith(code)]
    return settings.levels[max(named, key=len)] if named else rule.level


def demand_known(settings: Settings) -> None:
    """Refuse a code that no rule has: a slip would switch nothing off without a word.

    Raises:
        UserError: A code in select, ignore or levels is not the beginning of a rule's code.
    """
    for field in ("select", "ignore", "levels"):
        for code in getattr(settings, field):
            if not code or not any(rule.code.startswith(code) for rule in RULES):
                fix = "use a code of docs/rules.md, or the beginning of one (R3)"
                raise UserError(f"no rule has the code {code!r}", where=f"rules.{field}", fix=fix)
