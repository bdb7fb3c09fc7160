"""`make story` against the product on a real socket: the typical workflow, by separate people."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from app import Application
from resolvers.operation import Rules
from settings import CHECKOUT
from tests.wire.server import serving, settings_for
from tests.world import World

STORY = CHECKOUT / "tools" / "story.py"


async def tell(address: str) -> tuple[int, str, str]:
    """The exit code, what it prints, and what it complains about."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        STORY,
        "--url",
        address,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        printed, complained = await process.communicate()
    assert process.returncode is not None
    return process.returncode, printed.decode(), complained.decode()


@pytest.fixture
async def address(empty_world: World, tmp_path: Path) -> AsyncIterator[str]:
    app = Application(settings_for(tmp_path), empty_world.services)
    async with serving(app) as (address, _):
        yield f"{address}/graphql"


async def test_the_story_goes_from_registration_to_mutual_feedback_and_can_be_told_again(
    address: str, empty_world: World
) -> None:
    first = await tell(address)

    second = await tell(address)

    for code, printed, complained in (first, second):
        assert (code, complained) == (0, "")
        assert printed.endswith("Everything happened as the story tells it.\n")
        assert printed.count(" ms  ") == 40
    rows = await empty_world.rows("select status, count(*) as number from gig group by status")
    assert {row.status: row.number for row in rows} == {"COMPLETED": 2}


@pytest.mark.long
async def test_the_story_stops_at_the_step_that_is_different(empty_world: World, tmp_path: Path) -> None:
    services = replace(empty_world.services, rules=Rules(gigs_need_approval=True))
    app = Application(settings_for(tmp_path), services)

    async with serving(app) as (address, _):
        code, printed, complained = await tell(f"{address}/graphql")

    assert code == 1
    assert "Greta publishes it" in printed and "applies" not in printed
    assert complained == (
        "\nstory: Gigs wait for approval here (GIG_APPROVAL=1). The story needs a server without it.\n"
    )


async def test_without_a_server_the_story_says_how_to_start_one() -> None:
    nowhere = "http://127.0.0.1:9/graphql"

    code, _, complained = await tell(nowhere)

    assert code == 1
    assert complained == f"\nstory: No server answers at {nowhere}. Start one with `make run`.\n"


async def test_an_address_that_is_no_graphql_is_told_by_its_status(address: str) -> None:
    code, _, complained = await tell(address.replace("/graphql", "/nowhere"))

    assert code == 1
    assert "the server answered 404 Not Found" in complained
