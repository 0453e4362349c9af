"""How much of a service's limit a run uses: `python benchmarks/judge/pace.py`.

Against a loopback server with 50 ms latency, at concurrency 32: without a limit, and with token buckets of
several rates, ours beside 32 threads that retry on their own as SDKs do (a wait of 0.5 s that doubles up to
8 s, less a quarter at random, no common pace). Then a replay of 10,000 cached verdicts, from a frame of items
to a frame of verdicts, beside reading them.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx2
from record import record

from curation.files import resource as shipped
from judge.chat_judge import ChatJudge
from judge.frames import item_frame, judge_frame
from judge.messages_api import MessagesChat
from judge.prices import PRICES
from judge.rubric import load_rubric
from judge.run import judge_items
from judge.settings import ServiceSettings
from judge.verdict import Item
from loop.spool import FileCache, open_spool
from loop.store import transaction
from loop.verdicts import store_verdicts

CONCURRENCY = 32
LATENCY = 0.05
LIMITS = (50, 100, 200)
SECONDS = 15
REPLAYED = 10_000


def items(count: int) -> list[Item]:
    """Answers that differ."""
    return [
        Item(f"t{i}", [{"role": "user", "content": f"Question {i}?"}], f"unsafe\nS{i}", "safe")
        for i in range(count)
    ]


class Server:
    """The limited server in its process."""

    def __init__(self, limit: float) -> None:
        # half a second of the limit may come at once
        arguments = map(str, (LATENCY, limit, max(1, limit / 2)))
        command = [sys.executable, str(Path(__file__).with_name("limited_server.py")), *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def counts(self) -> tuple[int, int]:
        """Requests taken and refused."""
        taken, refused = httpx2.get(f"{self.url}/counts").json()
        return taken, refused

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait()


def ours(url: str, count: int) -> tuple[float, int]:
    """Seconds for so many items, and how many have no score."""
    os.environ |= {"ANTHROPIC_API_KEY": "none", "ANTHROPIC_BASE_URL": url}
    chat = MessagesChat("claude-haiku-5-5", ServiceSettings(concurrency=CONCURRENCY))
    judge = ChatJudge("anthropic", load_rubric(shipped("rubrics", "safety.toml")), chat, PRICES)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        ran = judge_items(items(count), judge, FileCache(Path(folder) / "v.jsonl"))
        took = time.perf_counter() - began
    return took, sum(v.state != "scored" for v in ran.verdicts)


def on_their_own(url: str, count: int) -> tuple[float, int]:
    """The same with threads that each wait for themselves."""
    client, failed = httpx2.Client(timeout=60), [0]
    lock = threading.Lock()

    def ask(item: Item) -> None:
        body = json.dumps({"model": "m", "messages": item.messages, "output": item.output})
        for attempt in range(7):
            if client.post(f"{url}/v1/messages", content=body).status_code == 200:
                return
            time.sleep(min(8.0, 0.5 * 2**attempt) * random.uniform(0.75, 1))
        with lock:
            failed[0] += 1

    began = time.perf_counter()
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        list(pool.map(ask, items(count)))
    return time.perf_counter() - began, failed[0]


def limited(limit: float) -> dict[str, Any]:
    """One limit, both ways."""
    count = int(limit * SECONDS)
    found: dict[str, Any] = {"limit_per_s": limit, "items": count}
    for name, run in (("ours", ours), ("threads_on_their_own", on_their_own)):
        server = Server(limit)
        took, unscored = run(server.url, count)
        taken, refused = server.counts()
        server.close()
        allowed = limit * took + max(1, limit / 2)
        found[name] = {
            "seconds": round(took, 2),
            "per_s": round(count / took, 1),
            "share_of_allowed": round(taken / allowed, 3),
            "refused": refused,
            "without_score": unscored,
        }
    return found


def replay() -> dict[str, Any]:
    """A cached run beside reading what is known, from a spool and from a store, in processor seconds."""
    server = Server(1e9)
    os.environ |= {"ANTHROPIC_API_KEY": "none", "ANTHROPIC_BASE_URL": server.url}
    chat = MessagesChat("claude-haiku-5-5", ServiceSettings(concurrency=CONCURRENCY))
    judge = ChatJudge("anthropic", load_rubric(shipped("rubrics", "safety.toml")), chat, PRICES)
    many = item_frame(items(REPLAYED))
    with tempfile.TemporaryDirectory() as folder:
        path, store = Path(folder) / "v.jsonl", Path(folder) / "traces.duckdb"
        known = judge_frame(many, judge, FileCache(path)).verdicts
        with transaction(store) as connection:
            store_verdicts(connection, judge, known, Path(folder) / "spool")
        asked = server.counts()[0]
        began = time.process_time()
        cache = FileCache(path)
        read = time.process_time() - began
        began = time.process_time()
        open_spool(Path(folder) / "spool", store, [judge.identity.id])
        stored = time.process_time() - began
        began = time.process_time()
        judge_frame(many, judge, cache)
        rest = time.process_time() - began
    again = server.counts()[0] - asked
    server.close()
    return {
        "verdicts": REPLAYED,
        "requests": again,
        "reading_cpu_s": round(read, 3),
        "reading_store_cpu_s": round(stored, 3),
        "run_cpu_s": round(rest, 3),
    }


def unlimited() -> dict[str, Any]:
    """What the client can do when nothing holds it."""
    server = Server(1e9)
    took, unscored = ours(server.url, 2000)
    server.close()
    return {"items": 2000, "per_s": round(2000 / took, 1), "without_score": unscored}


def main() -> None:
    """Measure and record."""
    found = {
        "command": "python benchmarks/judge/pace.py",
        "latency_s": LATENCY,
        "concurrency": CONCURRENCY,
        "without_limit": unlimited(),
        "with_limit": [limited(limit) for limit in LIMITS],
        "replay": replay(),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    record("pace", found)


if __name__ == "__main__":
    main()
