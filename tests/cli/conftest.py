"""The command, ready to run."""

from pathlib import Path

import pytest
from cli_support import Command


@pytest.fixture
def gpugap(tmp_path: Path) -> Command:
    folder = tmp_path / "work"
    folder.mkdir()
    return Command(folder, tmp_path / "store" / "records.db")
