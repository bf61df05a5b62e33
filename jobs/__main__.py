"""`python -m jobs worker`: background work in a process of its own, beside the ones that serve screens. Several may run."""

import logging
import os
import signal
import sys

from db import database, schema
from jobs.loop import Loop
from settings import SettingsError


def main() -> int:
    if sys.argv[1:] != ["worker"]:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        schema.require_current(database())
    except (SettingsError, schema.SchemaError) as error:
        print(f"\n  {error}\n", file=sys.stderr)
        return 2
    stops = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)  # for the threads to come, too: this one alone waits for them
    loop = Loop()
    loop.start()
    print("Working. Stop with Ctrl-C.", file=sys.stderr)
    signal.sigwait(stops)
    loop.stop()
    logging.shutdown()
    sys.stderr.flush()
    os._exit(0)  # whatever hangs in somebody else's answer is found again from rows; a process that was told to end does


if __name__ == "__main__":
    sys.exit(main())
