"""What is committed works on every machine: no address of a package registry, no path of somebody's computer."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.architecture.test_rooms import ROOT

# Put together here, so that this file does not find itself.
REGISTRY = re.compile(
    r"https?://[^\s\"'<>)]*(?:" + "|".join(["regis" + "try\\.", "py" + "pi\\.", "python" + "hosted", "npm" + "js\\.", "arti" + "factory"]) + ")"
)  # fmt: skip
MACHINE = re.compile(
    r"(?<![\w.~/$}])/(?:" + "|".join(["wo" + "rk/", "ho" + "me/\\w", "ro" + "ot/\\w", "Us" + "ers/\\w"]) + ")"
)


def tracked() -> list[Path]:
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name for name in names.decode().split("\0") if name and (ROOT / name).is_file()]


def found(pattern: re.Pattern[str]) -> list[str]:
    hits = []
    for file in tracked():
        try:
            text = file.read_text()
        except UnicodeDecodeError:
            continue  # compressed data
        hits += [
            f"{file.relative_to(ROOT)}:{number}"
            for number, line in enumerate(text.splitlines(), 1)
            if pattern.search(line)
        ]
    return hits


def test_no_tracked_file_names_a_package_registry() -> None:
    assert found(REGISTRY) == []


def test_no_tracked_file_names_a_path_of_one_machine() -> None:
    assert found(MACHINE) == []


@pytest.mark.parametrize(
    ("pattern", "text", "hit"),
    [
        (REGISTRY, "https://regis" + "try.example.org/x.tgz", True),
        (REGISTRY, "https://files.python" + "hosted.org/x.whl", True),
        (REGISTRY, "https://www.rfc-editor.org/rfc/rfc3339", False),
        (MACHINE, "see /ho" + "me/ada/x", True),
        (MACHINE, "in '/wo" + "rk/main'", True),
        (MACHINE, "https://example.com/work/x", False),
        (MACHINE, "/var/lib/skillsync", False),
    ],
)
def test_the_search_would_find_one(pattern: re.Pattern[str], text: str, hit: bool) -> None:
    assert bool(pattern.search(text)) is hit


def test_locks_with_registry_addresses_are_not_committed() -> None:
    names = {file.name for file in tracked()}

    assert not names & {"uv.lock", "pylock.toml", "poetry.lock", "Pipfile.lock", "yarn.lock"}
    assert {"requirements.txt", "requirements-dev.txt"} <= names
