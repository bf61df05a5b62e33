"""`python -m jobs worker`: background work in a process of its own, beside the ones that serve screens. Several may run."""

import signal
import sys
import threading

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
    loop, done = Loop(), threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    loop.start()
    print("Working. Stop with Ctrl-C.", file=sys.stderr)
    done.wait()
    loop.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
