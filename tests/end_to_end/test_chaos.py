"""A short form of `make chaos`."""

import os
import sys
from pathlib import Path

from tests.processes import Process

WITHIN_S = 240.0  # for a machine that others use too; alone it takes half a minute


async def test_under_faults_of_every_kind_nothing_is_lost_and_nothing_is_there_twice(
    store_folder: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tests.chaos", "--minutes", "0.2", "--every", "1", "--rate", "200"]
    # this seed's faults are of every kind and kill every service and store
    chaos = Process(
        [*command, "--seed", "293", "--folder", str(store_folder)], environment=os.environ, log=tmp_path / "chaos.log"
    )
    try:
        code = await chaos.ended(within_s=WITHIN_S)
    finally:
        chaos.end()
    assert code == 0, chaos.output
