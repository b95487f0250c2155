"""``parcela serve`` whose Redis loses replies when told to by a signal: ``python -m chaos.served_server PORT DATA``."""

from __future__ import annotations

import signal
import sys
from functools import cache
from pathlib import Path

from cutting_proxy import CuttingProxy
from parcela_cli.app import main
from parcela_cli.serve import redis as own_redis

CUT = signal.SIGUSR1
REPLIES = 3


@cache
def _proxy(socket_path: Path) -> CuttingProxy:
    """Before the one Redis of this process; what leans on Redis goes through it."""
    proxy = CuttingProxy(socket_path)
    signal.signal(CUT, lambda *_: proxy.cut(REPLIES))
    return proxy


if __name__ == "__main__":
    signal.signal(CUT, signal.SIG_IGN)
    own_redis.url = lambda socket_path: _proxy(socket_path).url
    main(["serve", "--port", sys.argv[1], "--data", sys.argv[2]])
