import pytest


@pytest.fixture(autouse=True)
def in_one_thread(one_thread: None) -> None:
    """See `one_thread`."""
