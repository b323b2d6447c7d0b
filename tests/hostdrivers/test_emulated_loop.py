"""The loop of the embedded estate, beside the threads of the sandboxed shell."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Iterator

import pytest

from hostdrivers.emulated.estate import ApartLoop

WORD: contextvars.ContextVar[str] = contextvars.ContextVar("WORD")


@pytest.fixture
def loop() -> Iterator[ApartLoop]:
    made = ApartLoop()
    yield made
    made.close()


def test_a_callback_whose_context_another_thread_has_entered_runs_all_the_same_with_its_values(loop: ApartLoop) -> None:
    context, entered, leave, heard = contextvars.copy_context(), threading.Event(), threading.Event(), list[str]()

    def inside() -> None:
        WORD.set("of the other thread")
        entered.set()
        leave.wait()

    thread = threading.Thread(target=lambda: context.run(inside))
    thread.start()
    entered.wait()

    async def listen() -> None:
        told = asyncio.Event()

        def hear() -> None:
            heard.append(WORD.get())
            told.set()

        loop.call_soon_threadsafe(hear, context=context)
        await asyncio.wait_for(told.wait(), 5)

    try:
        loop.run_until_complete(listen())
    finally:
        leave.set()
        thread.join()
    assert heard == ["of the other thread"]


def test_a_callback_without_a_context_runs_in_that_of_its_caller(loop: ApartLoop) -> None:
    heard = list[str]()

    async def listen() -> None:
        WORD.set("of the caller")
        loop.call_soon_threadsafe(lambda: heard.append(WORD.get()))
        await asyncio.sleep(0)

    loop.run_until_complete(listen())
    assert heard == ["of the caller"]
