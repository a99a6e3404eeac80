"""`python -m example_schema`: prepare the database, find a Redis, and serve."""

import asyncio
import signal
import sys
from contextlib import ExitStack, suppress

from example_schema.database.file import DatabaseError, prepare_database
from example_schema.server.errors import StartError
from example_schema.server.listener import listen
from example_schema.server.metrics import provide_metrics
from example_schema.server.options import Options, read_options
from example_schema.server.redis import redis_server
from example_schema.server.service import serve
from example_schema.server.tracing import print_spans


def main() -> None:
    """Run the service; exit with 1 and one line of explanation if it does not start."""
    # SIGTERM ends the process like Ctrl-C does, through every `finally` on the way: whenever it
    # comes, no unfinished file and no Valkey stays behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with suppress(KeyboardInterrupt):
            _run(read_options())
    except (DatabaseError, StartError) as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)


def _run(options: Options) -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(listen(options.host, options.port))
        if not options.database.exists():
            print(f"Filling {options.database}, which takes some seconds ...", flush=True)
        prepare_database(options.database, options.entries)
        redis = stack.enter_context(redis_server(options.redis_url))
        if options.trace:
            stack.callback(print_spans().shutdown)
        if options.metrics:
            stack.callback(provide_metrics().shutdown)
        asyncio.run(serve(options, listener, redis))


if __name__ == "__main__":
    main()
