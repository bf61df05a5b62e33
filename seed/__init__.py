"""Demo data: personas and a month-by-month simulation that obeys the same rules as live operation.

`python -m seed` fills an empty database; `seed.run()` is the same for the application's start-up.
"""

from seed.run import SeedRefused, SeedReport, run

__all__ = ["SeedRefused", "SeedReport", "run"]
