"""A Messages API in a process of its own, with a latency and a token-bucket limit.

usage: limited_server.py LATENCY_S LIMIT_PER_S BURST     (prints its port, and serves until it is terminated)
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

LATENCY, LIMIT, BURST = (float(arg) for arg in sys.argv[1:4])
TEXT = json.dumps({"feedback": "fine", "grades": {"verdict": "right", "categories": "right"}})
BODY = json.dumps(
    {
        "content": [{"type": "text", "text": TEXT}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1000, "output_tokens": 100},
    }
).encode()
ERROR = b'{"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}'


class Bucket:
    """Lets through as many requests as the limit allows, and counts both kinds."""

    def __init__(self) -> None:
        self.level, self.at = BURST, time.monotonic()
        self.taken = self.refused = 0

    def takes(self) -> bool:
        """Whether one more request is let through."""
        now = time.monotonic()
        self.level = min(BURST, self.level + (now - self.at) * LIMIT)
        self.at = now
        if self.level < 1:
            self.refused += 1
            return False
        self.level -= 1
        self.taken += 1
        return True


BUCKET = Bucket()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection: requests after each other."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if b"content-length: " in head:
                await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]))
            if head.startswith(b"get /counts"):
                status, body = 200, json.dumps([BUCKET.taken, BUCKET.refused]).encode()
            elif BUCKET.takes():
                await asyncio.sleep(LATENCY)
                status, body = 200, BODY
            else:
                status, body = 429, ERROR
            writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    """Serve for ever."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
