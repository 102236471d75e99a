"""Python's cyclic garbage collector, out of the way while objects are made that stay."""

import gc
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")


def collector_paused(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """*function* without collections while it runs: going through millions of new objects again and again would find nothing."""

    @wraps(function)
    def paused(*arguments: _P.args, **named: _P.kwargs) -> _R:
        enabled = gc.isenabled()
        gc.disable()
        try:
            return function(*arguments, **named)
        finally:
            if enabled:
                gc.enable()

    return paused
