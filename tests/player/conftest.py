"""A browser for all tests of pages, and a page that shows a picture."""

import pytest
from pages_in_browser import Scene, started

from photoflow.player.page import data_url


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    driver = started(tmp_path_factory.mktemp("browser"))
    yield driver
    driver.quit()


@pytest.fixture
def show(browser, tmp_path):
    """Return a function that shows a picture, with images that lose nothing."""
    return lambda picture: Scene(browser, tmp_path / "scene.html", picture, data_url)
