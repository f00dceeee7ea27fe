# SPDX-License-Identifier: Apache-2.0
"""A function for runtimes that speak their platform themselves: AWS Lambda, OpenWhisk, FC."""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Mapping
from typing import Any

from . import _interrupt
from . import _library as lib
from ._task import OnModel

ANSWER_HTTP = 1


class Fault(Exception):
    """What a request asks cannot be done. fault: "Function.BadInput" and the like."""

    def __init__(self, fault: str, status: int, message: str):
        super().__init__(message)
        self.fault = fault
        self.status = status

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.fault, self.status, str(self))


class Handler(OnModel):
    """Answers events, and requests that come as events. Calls from several threads wait for each
    other.

    `handler(event, context)` suits AWS Lambda (a dict in, a dict out, Fault raised) and Function
    Compute (bytes in, text or a dict out, Fault raised), `handler(arguments)` OpenWhisk (a fault is
    {"error": ...}).

    >>> main = libai.Handler("poems.lai")
    >>> main({"seed": 1})["statusCode"]
    200
    """

    _kind = "handler"

    def _answer(self, body: bytes, timeout_ns: int, id: str | None) -> tuple[bool, str]:
        request = lib.sized(lib.Request)
        request.body, request.bytes = body, len(body)
        request.timeout_ns = timeout_ns
        request.id = id.encode() if id else None
        answer = lib.Answer()

        def ask(call: Any, _: object) -> int:
            hook = call._obj if call else lib.Call()
            request.before_step, request.step_user = hook.before_step, hook.user
            lib.task().ai_answer_clear(ctypes.byref(answer))  # of a call that a signal ended
            lib.task().ai_handle(self.handle, ctypes.byref(request), ctypes.byref(answer))
            return int(answer.error.code) if answer.fault else 0

        try:
            self.take_turn(_interrupt.run, ask, None)
            is_http = bool(answer.flags & ANSWER_HTTP)
            if answer.fault and not is_http:
                raise Fault(answer.fault.decode(), answer.status,
                            answer.error.message.decode(errors="replace"))
            return is_http, ctypes.string_at(answer.body, answer.bytes).decode()
        finally:
            lib.task().ai_answer_clear(ctypes.byref(answer))

    def __call__(self, event: Any, context: Any = None) -> Any:
        """The answer to an event: a dict, a list or the bytes of a body. context: of the runtime, which knows
        how much time remains. What the event asks and cannot be done is a Fault, or a dict that says so."""
        remaining = getattr(context, "get_remaining_time_in_millis", None)
        timeout_ns = max(1, int(remaining())) * 1_000_000 if remaining else 0
        id = getattr(context, "aws_request_id", None) or getattr(context, "request_id", None)
        is_raw = isinstance(event, (bytes, bytearray, memoryview))
        body = bytes(event) if is_raw else json.dumps(event).encode()
        try:
            is_http, text = self._answer(body, timeout_ns, id if isinstance(id, str) else None)
        except Fault as fault:
            if context is None and isinstance(event, Mapping):
                return {"error": str(fault)}
            raise
        return text if is_raw and not is_http else json.loads(text)


def handler(path: str | os.PathLike[str], *, threads: int = 0,
            cpu: int | str | None = None) -> Handler:
    """The function to name in a runtime's settings; arguments as of Model.

    >>> main = libai.handler("poems.lai")
    >>> main({"start": "x"})
    {'error': "start has 'x', the vocabulary does not"}
    """
    return Handler(path, threads=threads, cpu=cpu)
