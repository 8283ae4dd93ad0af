"""The command line as a whole."""

import re
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "arguments",
    [
        ("score", "/there/is/none"),
        ("backtest", "--window", "session(1m)", "--window", "session(2m)", "/there/is/none"),
        ("sessionize", "/there/is/none"),
        ("sessionize", "-", "--late", "/there/is/none"),
        ("replay", "/there/is/none"),
        ("generate", "--count", "1", "--out", "/there/is/none"),
    ],
)
def test_a_file_that_is_not_there_is_said_in_one_line(arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "services.cli", *arguments]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert re.fullmatch(r"clickloom: /there/is/none cannot be \w+: No such file or directory\n", ended.stderr)
