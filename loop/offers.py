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


def capped(state: Curated, caps: Merge) -> Curated:
    """At most so many corrections and traces, the first ones; the others are drops."""
    corrected = state.rows.select(pl.col("tags").list.contains(CORRECTION)).to_series()
    kinds = {CORRECTION: (corrected, caps.corrections), TRACE: (~corrected, caps.traces)}
    parts = {kind: (state.rows.filter(chosen), most) for kind, (chosen, most) in kinds.items()}
    drops = drop_frame(
        {"row_id": row["id"], "source": row["source"], "step": "merge"}
        | {"reason": f"over the cap of {most} {kind}s"}
        for kind, (rows, most) in parts.items()
        for row in rows[most:].iter_rows(named=True)
    )
    return advance(state, "cap", pl.concat(rows.head(most) for rows, most in parts.values()), drops)
