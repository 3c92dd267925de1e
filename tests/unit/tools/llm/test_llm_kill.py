"""A kill -9 in the middle of a run: only what was under way is asked again."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import fieldmark
from fieldmark.cache.bytestore import open_byte_store
from tests.faulty_endpoint import FaultyEndpoint, Received, Reply, completion
from tests.unit.tools.llm.llm_cases import GOOD, ask_marks, chat

RUN = """
import asyncio, sys
from pathlib import Path
from fieldmark.cache.bytestore import open_byte_store
from tests.unit.tools.llm.llm_cases import ask_marks, chat

async def main():
    with open_byte_store(Path({folder!r})) as store:
        async with chat({url!r}, store, identity="same", concurrency=2, timeout_s=60.0) as model:
            await asyncio.gather(*(model.ask(ask_marks(f"number {{n}}")) for n in range(8)))

asyncio.run(main())
"""


def test_a_kill_loses_only_what_was_under_way(tmp_path: Path) -> None:
    def answer(request: Received) -> Reply:
        stuck = any(f"number {n}" in request.text for n in (4, 5))
        return completion(GOOD, delay_s=60 if stuck else 0)

    with FaultyEndpoint([answer]) as endpoint:
        process = subprocess.Popen(
            [sys.executable, "-c", RUN.format(folder=str(tmp_path), url=endpoint.base_url)],
            env={**os.environ, "PYTHONPATH": str(Path(fieldmark.__file__).parents[1])},
        )
        try:
            until = time.monotonic() + 30
            while endpoint.asked < 6 and time.monotonic() < until:
                time.sleep(0.02)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert endpoint.asked == 6
    cached = {}

    async def run_again(url: str) -> None:
        with open_byte_store(tmp_path) as store:
            async with chat(url, store, identity="same") as model:
                for n in range(8):
                    cached[n] = (await model.ask(ask_marks(f"number {n}"))).cached

    with FaultyEndpoint([completion(GOOD)]) as endpoint:
        asyncio.run(run_again(endpoint.base_url))
        again = [request.text.split()[-1] for request in endpoint.chats]
    assert again == ["4", "5", "6", "7"]
    assert cached == {n: n < 4 for n in range(8)}
