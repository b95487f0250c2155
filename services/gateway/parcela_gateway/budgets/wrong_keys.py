"""Keys cannot be guessed at leisure: after some wrong ones from an address, it has to wait, whatever it sends next."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from parcela_gateway.problem import Refused

WINDOW_S = 60.0
REMEMBERED = 10_000  # addresses
Key = TypeVar("Key")
Value = TypeVar("Value")


class TooManyWrongKeys(Refused):
    """From this address came too many wrong keys."""

    status = 429
    slug = "too-many-wrong-keys"


class WrongKeys:
    """When wrong keys came from which address.

    An address that has used up its tries waits a minute, since a right key among its guesses would be none of its own.
    Callers who had been let in from there before (several may share an address) go on.

    Args:
        most: wrong keys a minute from one address.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()
        self._let_in: OrderedDict[tuple[str, str], None] = OrderedDict()

    @contextmanager
    def watched(self, address: str, *, tried: bool) -> Iterator[Callable[[str], None]]:
        """A block that finds out whose key a request has, and says so by calling what it is given.

        Args:
            address: where the request comes from.
            tried: whether it brings a key; one without is no guess.

        Raises:
            TooManyWrongKeys: the address has to wait. And what the block raises for a wrong key.
        """
        try:
            yield lambda owner: self._check_in(address, owner, tried=tried)
        except TooManyWrongKeys:
            raise
        except Refused:
            if tried:
                self._check(address)
                _entry(self._wrong, address, deque(maxlen=self._most)).append(time.monotonic())
            raise

    def _check_in(self, address: str, owner: str, *, tried: bool) -> None:
        if tried and (address, owner) not in self._let_in:
            self._check(address)
        _entry(self._let_in, (address, owner), None)

    def _check(self, address: str) -> None:
        wrong = self._wrong.get(address, deque())
        left_s = wrong[0] + WINDOW_S - time.monotonic() if len(wrong) == self._most else 0
        if left_s > 0:
            raise TooManyWrongKeys(
                f"{self._most} wrong keys came from your address within a minute: wait",
                headers={"Retry-After": str(int(left_s) + 1)},
            )


def _entry(table: OrderedDict[Key, Value], key: Key, new: Value) -> Value:
    """What a table has under a key, or the new value; the longest unused makes room."""
    value = table.setdefault(key, new)
    table.move_to_end(key)
    if len(table) > REMEMBERED:
        table.popitem(last=False)
    return value
