"""Times are told in the zone of the operator, whatever zone a program sets for itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

# As Django does with `TIME_ZONE`. 1,800,000,000 is 2027-01-15 08:00 in UTC.
PROGRAM = """
import os, time
from transfuse.config.time_zone import local
os.environ["TZ"] = "America/Chicago"
time.tzset()
print(local(1_800_000_000).strftime("%H:%M"), time.strftime("%H:%M", time.localtime(1_800_000_000)))
"""


@pytest.mark.parametrize(
    ("zone", "told"),
    [("Asia/Tokyo", "17:00"), (":Asia/Tokyo", "17:00"), ("XYZ-3", "11:00"), ("UTC", "08:00")],
)
def test_a_program_that_sets_a_time_zone(zone: str, told: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"TZ": zone},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [told, "02:00"]
