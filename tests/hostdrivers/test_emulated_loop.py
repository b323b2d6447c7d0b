"""The loop of the embedded estate, beside the threads of the sandboxed shell."""

from __future__ import annotations

import asyncio
import contextvars
import threading

from hostdrivers.emulated.estate import once_more


async def test_a_callback_whose_context_another_thread_has_entered_runs_when_it_is_left() -> None:
    loop, context = asyncio.get_running_loop(), contextvars.copy_context()
    loop.set_exception_handler(once_more)
    entered, leave, ran = threading.Event(), threading.Event(), asyncio.Event()

    def inside() -> None:
        entered.set()
        leave.wait()

    thread = threading.Thread(target=lambda: context.run(inside))
    thread.start()
    entered.wait()
    loop.call_soon(ran.set, context=context)
    await asyncio.sleep(0.02)
    assert not ran.is_set()
    leave.set()
    await asyncio.wait_for(ran.wait(), 5)
    thread.join()


async def test_other_errors_of_callbacks_are_told_as_ever() -> None:
    loop, told = asyncio.get_running_loop(), list[str]()

    def handler(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        told.append(str(context["exception"]))

    loop.default_exception_handler = lambda context: handler(loop, context)  # type: ignore[method-assign]
    loop.set_exception_handler(once_more)
    loop.call_soon(lambda: 1 // 0)
    await asyncio.sleep(0.01)
    assert told == ["integer division or modulo by zero"]
