"""A model on this machine as a judge: training's generation, handed to the judge as a function."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from judge.chat import Completion, Ended, Message
from judge.local_judge import LocalJudge
from judge.prices import Tokens
from loop.models import cache
from training.settings import TrainSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from judge.rubric import Rubric
    from loop.config import Config
    from training.answer import Answer
    from training.model import LoadedModel

MAX_TOKENS = 512


def local_judge(rubric: Rubric, model: str, config: Config) -> LocalJudge:
    """A judge that asks a local model.

    Args:
        rubric: What to grade by.
        model: A folder, a hub id that is on this machine, or the embedded model.
        config: Its batch size, seed and precision are used.

    Raises:
        UserError: There is no such model.
    """
    from training.embedded import find_model
    from training.fingerprint import fingerprint
    from training.generate import GenerateSettings, generate

    how = TrainSettings.from_dict(config.train)
    folder = find_model(model, cache())
    settings = GenerateSettings(
        max_new_tokens=MAX_TOKENS,
        batch_size=config.generate.batch_size,
        seed=how.seed,
        precision=how.precision,
    )
    loaded: list[LoadedModel] = []

    def answer(conversations: Sequence[Sequence[Message]]) -> list[Completion | None]:
        from training.model import load

        if not loaded:  # on the first question: what the cache knows needs no model
            loaded.append(load(folder, None, how.precision))
        fitting = [i for i, c in enumerate(conversations) if _fits(loaded[0], c)]
        given = generate(loaded[0], [list(conversations[i]) for i in fitting], settings)
        found = dict(zip(fitting, map(_completion, given), strict=True))
        return [found.get(i) for i in range(len(conversations))]

    name = f"{Path(model).name}-{fingerprint(folder)[:8]}"
    return LocalJudge(rubric, name, answer, MAX_TOKENS, config.generate.batch_size)


def _fits(loaded: LoadedModel, conversation: Sequence[Message]) -> bool:
    from training.encode import encode_prompt

    limit = getattr(loaded.model.config, "max_position_embeddings", None)
    return not limit or len(encode_prompt(loaded.tokenizer, list(conversation))) + MAX_TOKENS <= limit


def _completion(answer: Answer) -> Completion:
    tokens = Tokens(answer.prompt_tokens, answer.output_tokens)
    ended: Ended = "finished" if answer.finish_reason == "stop" else "cut"
    return Completion(answer.text, ended, answer.finish_reason, tokens, answer.text)
