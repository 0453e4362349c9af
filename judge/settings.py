"""How long a service is waited for, and how many requests it gets at once."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Seconds = Annotated[float, Meta(gt=0, le=86_400)]


class ServiceSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How a service is asked. None of this is part of a judge's id: it does not change what a judge says.

    Attributes:
        concurrency: Requests in flight at once, at most; the service's refusals make it fewer.
        attempts: How often an item is asked before it counts as failed.
        max_wait: Longest wait in seconds before asking again, whatever the service asks for.
        timeout: Seconds until the next byte of a reply, and seconds for all of its body.
        budget: US dollars that a run may spend; 0 is no limit.
        token_budget: Tokens that a run may read and write together; 0 is no limit.
    """

    concurrency: Annotated[int, Meta(ge=1, le=1000)] = 8
    attempts: Annotated[int, Meta(ge=1, le=100)] = 8
    max_wait: Seconds = 30.0
    timeout: Seconds = 120.0
    budget: Annotated[float, Meta(ge=0)] = 0.0
    token_budget: Annotated[int, Meta(ge=0)] = 0
