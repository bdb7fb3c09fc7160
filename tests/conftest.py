"""What every process of a run does. The fixtures of all tests are in `fixtures.py`."""

import gc
import os

import pytest


def pytest_configure(config: pytest.Config) -> None:
    only_hands_out = config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput")
    if only_hands_out:
        # Fixtures import the whole product; without them, workers start two seconds earlier.
        return
    # Imports make many objects and hardly a cycle.
    gc.disable()
    config.pluginmanager.import_plugin("tests.fixtures")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `long` run only when asked for: LONG=1, as `make test-long` sets it."""
    if os.environ.get("LONG"):
        return
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason="long; run by make test-long"))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """As the server does after its start: imported modules and schemas live as long as the process.

    A collector that looks at these 300,000 objects again and again takes a tenth of the time of a run.
    """
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
