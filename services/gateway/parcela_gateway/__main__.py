"""`python -m parcela_gateway`: the gateway on PARCELA_HOST and PARCELA_PORT."""

from __future__ import annotations

import sys

from parcela.errors import ParcelaError
from parcela.settings import settings
from parcela_gateway.access_log import log_to_stderr
from parcela_gateway.app import create_app
from parcela_gateway.budgets.connections import GatewayServer, server_config
from parcela_gateway.prefix import BehindProxy

GRACE_S = 5  # for requests under way when it is told to stop


def main() -> int:
    """Serve until told to stop; the exit code."""
    log_to_stderr()
    chosen = settings()
    try:
        app = create_app(chosen)
    except ParcelaError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    config = server_config(BehindProxy(app), chosen, timeout_graceful_shutdown=GRACE_S)
    GatewayServer(config).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
