"""The packages under test import others that are not installed."""

from collections.abc import Iterator

import pytest

from tests.thirdparty.stand_ins import standing_in


@pytest.fixture(scope="module")
def stand_ins() -> Iterator[None]:
    """Stand-ins for as long as the tests of one file last."""
    with standing_in():
        yield
