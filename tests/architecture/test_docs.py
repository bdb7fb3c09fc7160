"""Pages that repeat the code say the same as the code."""

import ast
import re
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from models.application import ApplicationStatus
from models.contract import ContractStatus
from models.gig_workflow import GigStatus
from schema.payloads import ErrorCode
from settings import Settings
from tests.architecture.test_rooms import ROOT

# A script, not a package: run as its users do.
PAGES: dict[Path, Callable[[], str]] = runpy.run_path(str(ROOT / "tools" / "write_docs.py"))["PAGES"]
SETTINGS_PAGE = ROOT / "docs" / "settings.md"


def variables_read() -> set[str]:
    """Names that settings.py takes from its mapping: `env.get("X")`, `env["X"]`, `"X" in env`, `_flag(env, "X")`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / "settings.py").read_text())):
        if isinstance(node, ast.Call | ast.Subscript | ast.Compare) and "env" in ast.unparse(node):
            constants = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]
            names |= {c for c in constants if isinstance(c, str) and re.fullmatch(r"[A-Z][A-Z_]+", c)}
    return names


def rows_of_the_page() -> dict[str, list[str]]:
    lines = [line for line in SETTINGS_PAGE.read_text().splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {row[0].strip("| `"): row[1:] for row in cells}


def test_every_setting_is_described_and_nothing_else_is() -> None:
    assert len(variables_read()) == len(Settings.__slots__)
    assert set(rows_of_the_page()) == variables_read()


def test_every_described_setting_says_its_default_and_its_meaning() -> None:
    assert [name for name, row in rows_of_the_page().items() if not (row[0] and row[1])] == []


def test_the_page_marks_what_production_requires() -> None:
    required = {name for name, row in rows_of_the_page().items() if "**Required" in row[-1]}

    assert required == {
        "DATABASE_URL",
        "SECRET_KEYS",
        "JWT_PRIVATE_KEYS",
        "CHAT_KEYS",
        "FILES_URL",
        "PUBLIC_URL",
    }


@pytest.mark.parametrize("page", list(PAGES), ids=lambda page: page.name)
def test_a_written_page_is_what_would_be_written_today(page: Path) -> None:
    assert page.read_text() == PAGES[page](), "run python tools/write_docs.py"


def test_the_diagrams_show_every_status() -> None:
    text = PAGES[ROOT / "docs" / "workflows.md"]()

    shown = set(re.findall(r"(?:-->|\n +) ?(\w+)", text))

    assert set(GigStatus) | set(ApplicationStatus) | set(ContractStatus) <= shown


def test_every_error_code_is_on_the_page_once() -> None:
    text = PAGES[ROOT / "docs" / "errors.md"]()

    codes = re.findall(r"^\| `([A-Z_]+)` \|", text, flags=re.MULTILINE)

    assert sorted(codes) == sorted(ErrorCode.__members__)
