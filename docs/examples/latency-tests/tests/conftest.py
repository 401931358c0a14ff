import pytest
from tilecache import PORT


@pytest.fixture
def tiles(service, satellite):
    """The server on the satellite that serves this test's gateway; it listens when the test begins."""
    return service(satellite, ["python", "-m", "tilecache.server"], port=PORT)
