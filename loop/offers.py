"""What judged traces offer to a snapshot: accepted corrections and high scores, up to a cap of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from curation.rows import drop_frame, frame, make_row, meta_text
from curation.state import advance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from curation.recipe import Merge
    from curation.state import Curated
    from loop.traces import Judged

CORRECTION, TRACE = "correction", "trace"
FROM_TRACE = pl.col("source").str.starts_with("trace:")
CORRECTED = FROM_TRACE & (pl.col("meta").str.json_path_match("$.origin") == CORRECTION).fill_null(value=False)
"""Whether a row is an accepted correction; a tag of that name may be anybody's."""


def offered(
    traces: Sequence[Judged], corrected: Mapping[str, tuple[str, str]], threshold: float
) -> pl.DataFrame:
    """Rows that traces give: corrected answers, the lowest score first, then those that scored high.

    A trace without a score gives none, unless it was corrected: nothing is known about its answer.
    """
    found: list[tuple[float, dict[str, Any]]] = []
    for item, verdict, tags, finish_reason in traces:
        score = verdict.score
        if item.id in corrected:
            output, author = corrected[item.id]
            origin, rank = CORRECTION, (score or 0.0) - 2
        elif finish_reason == "length":
            continue  # cut at max_new_tokens: what it teaches is not to end
        elif score is not None and score >= threshold:
            output, author, origin, rank = item.output, "model", TRACE, -score
        else:
            continue
        meta = meta_text({"author": author, "origin": origin, "trace": item.id})
        turns = [*item.messages, {"role": "assistant", "content": output}]
        row = make_row(turns, tags=[*tags, origin], source=f"trace:{item.id}", meta=meta)
        found.append((rank, row))
    return frame(row for _, row in sorted(found, key=lambda entry: (entry[0], entry[1]["source"])))


def within(rows: pl.DataFrame, caps: Merge) -> bool:
    """Whether there are so few that no cap is reached."""
    return not any(part.height > most for part, most in _kinds(rows, caps).values())


def capped(state: Curated, usable: pl.DataFrame, drops: pl.DataFrame, caps: Merge) -> Curated:
    """At most so many corrections and traces, the first ones; the others are drops.

    Rows that will not come, held-out ones and duplicates, take no place. A duplicate of a row that is over
    a cap goes with it.

    Args:
        state: The rows that are offered, the best first.
        usable: Those that would come if there were no caps, among others.
        drops: Why the others would not (schema DROPS).
        caps: How many.
    """
    key = ["id", "source"]
    come = state.rows.join(usable, on=key, how="semi", maintain_order="left")
    over = [(kind, most, part[most:]) for kind, (part, most) in _kinds(come, caps).items()]
    found = drop_frame(
        {"row_id": row["id"], "source": row["source"], "step": "merge"}
        | {"reason": f"over the cap of {most} {kind}s"}
        for kind, most, rows in over
        for row in rows.iter_rows(named=True)
    )
    like = drops.filter(pl.col("partner_id").is_in(found["row_id"].implode()))
    like = like.join(state.rows, left_on=["row_id", "source"], right_on=key, how="semi")
    gone = pl.concat([found, like])
    ids = gone.select("source", id="row_id")
    left = state.rows.join(ids, on=key, how="anti", maintain_order="left")
    return advance(state, "cap", left, gone)


def _kinds(rows: pl.DataFrame, caps: Merge) -> dict[str, tuple[pl.DataFrame, int]]:
    corrections, traces = rows.filter(CORRECTED), rows.filter(~CORRECTED)
    return {CORRECTION: (corrections, caps.corrections), TRACE: (traces, caps.traces)}
