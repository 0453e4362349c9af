"""Which judge the configuration names, with its rubric."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from curation.errors import UserError
from curation.files import resource
from judge.panel import Member, Panel
from judge.prices import PRICES, Prices, price_table
from judge.rubric import Rubric, load_rubric
from loop.config import Config, Kind

if TYPE_CHECKING:
    from pathlib import Path

    from judge.protocol import Judge
    from loop import config as config_
    from loop.workspace import Workspace

CLAUDE = "claude-haiku-5-5"
SELF_TAUGHT = ("http", "plugin")
"""Kinds of judges that need no rubric of ours."""
ADDRESSED = ("openai", "http", "anthropic", "anthropic-batch")
"""Kinds of judges that are asked at an address."""
KINDS: tuple[str, ...] = get_args(Kind)


def configured_judge(workspace: Workspace) -> Judge | Panel:
    """The judge of the traces.

    Raises:
        UserError: The rubric is wrong, or the judge's key is missing.
    """
    return judge_of(workspace.config, workspace.root, workspace.spool)


def judge_of(config: Config, root: Path, spool: Path) -> Judge | Panel:
    """The judge that a configuration names.

    Args:
        config: The configuration.
        root: What its paths are relative to.
        spool: Folder in which batches are noted.

    Raises:
        UserError: The rubric is wrong, or the judge's key is missing.
    """
    chosen = config.judge
    prices = dict(PRICES) | price_table(config.price)

    def make(one: config_.Judge | config_.Member) -> Judge:
        _demand_no_stray_url(one)
        if one.kind in SELF_TAUGHT:
            return _self_taught(one, config, root)
        return _by_rubric(
            one, load_rubric(rubric_path(root, one.rubric or chosen.rubric)), prices, config, spool
        )

    if chosen.kind != "panel":
        return make(chosen)
    _demand_no_stray_url(chosen)
    return Panel([Member(make(m), m.weight) for m in chosen.member], chosen.rule, chosen.quorum)


def rubric_path(root: Path, name: str) -> Path:
    """The file of a rubric: a path, or the name of a shipped rubric such as `safety`."""
    path, shipped = root / name, resource("rubrics", f"{name}.toml")
    return shipped if not path.exists() and shipped.exists() else path


def reference_judge(path: Path) -> Judge:
    """The judge of a held-out set: its items have references, so nobody has to be asked."""
    from judge.reference import ReferenceJudge

    return ReferenceJudge(load_rubric(path))


def judges(judge: Judge | Panel) -> list[Judge]:
    """The judges that are asked: the members of a panel, or the judge itself."""
    return [member.judge for member in judge.members] if isinstance(judge, Panel) else [judge]


def _self_taught(chosen: config_.Judge | config_.Member, config: Config, root: Path) -> Judge:
    """A judge that knows what it looks at without our rubric."""
    if chosen.kind == "http":
        from judge.http_judge import HttpJudge

        url = _demand(chosen.url, "judge.url", "--url, the address that a datapoint is POSTed to")
        return HttpJudge(url, chosen.model, config.judge.service)
    from judge.plugin import PluginJudge

    function = _demand(chosen.function, "judge.function", "your function as module:function")
    return PluginJudge(function, chosen.model, root)


def _by_rubric(
    chosen: config_.Judge | config_.Member, rubric: Rubric, prices: Prices, config: Config, spool: Path
) -> Judge:
    if chosen.kind == "reference":
        from judge.reference import ReferenceJudge

        return ReferenceJudge(rubric)
    if chosen.kind == "local":
        from loop.local_judge import local_judge

        model = _demand(chosen.model, "judge.model", "--model, such as smollm2-135m-instruct or a folder")
        return local_judge(rubric, model, config)
    if chosen.kind == "openai":
        from judge.chat_judge import ChatJudge
        from judge.openai_api import OpenAIChat

        url = _demand(
            chosen.url, "judge.url", "--url, the endpoint's address, such as http://localhost:8000/v1"
        )
        model = _demand(chosen.model, "judge.model", "--model, the name that the endpoint knows it by")
        return ChatJudge("openai", rubric, OpenAIChat(model, url, config.judge.service), prices)
    return _claude(chosen, rubric, prices, config, spool)


def _claude(
    chosen: config_.Judge | config_.Member, rubric: Rubric, prices: Prices, config: Config, spool: Path
) -> Judge:
    from judge.messages_api import MessagesChat

    chat = MessagesChat(chosen.model or CLAUDE, config.judge.service, chosen.url)
    if chosen.kind == "anthropic":
        from judge.chat_judge import ChatJudge

        return ChatJudge("anthropic", rubric, chat, prices)
    from judge.batch_judge import BatchJudge
    from loop.batches import BATCHES, FileJournal

    return BatchJudge(rubric, chat, prices, FileJournal(spool / BATCHES))


def _demand_no_stray_url(chosen: config_.Judge | config_.Member) -> None:
    if chosen.url and chosen.kind not in ADDRESSED:
        fix = f"leave --url out, or choose one of {', '.join(ADDRESSED)}"
        raise UserError(f"the judge {chosen.kind} has no address", where="judge.url", fix=fix)


def _demand(value: str, where: str, what: str) -> str:
    if not value:
        name = where.rpartition(".")[2]
        raise UserError(f"this judge needs a {name}", where=where, fix=f"give {what}")
    return value
