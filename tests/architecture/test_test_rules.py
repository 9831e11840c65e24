"""The rules that `tests/conftest.py` and `tests/support` put on every test, tried on small test files."""

import pytest

from tests.support.checkout import ROOT
from tests.support.missing import missing

pytest_plugins = ["pytester"]

_SETTINGS = """
[pytest]
asyncio_mode = auto
addopts = -p no:cacheprovider
markers = long: takes minutes
"""


@pytest.fixture
def small(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with our conftest and the settings it needs."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # the conftest loads fixtures from tests/support
    pytester.makeini(_SETTINGS)
    pytester.makeconftest((ROOT / "tests" / "conftest.py").read_text())
    return pytester


def test_a_long_test_runs_only_when_asked_for(small: pytest.Pytester) -> None:
    small.makepyfile("import pytest\n\n@pytest.mark.long\ndef test_it(): pass")

    small.runpytest_subprocess().assert_outcomes(skipped=1)
    small.runpytest_subprocess("--long").assert_outcomes(passed=1)


def test_a_test_that_leaves_a_task_running_fails(small: pytest.Pytester) -> None:
    small.makepyfile(
        """
        import asyncio

        async def forever():
            await asyncio.Event().wait()

        async def test_it():
            global task
            task = asyncio.create_task(forever())
        """
    )

    result = small.runpytest_subprocess()

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*left running: *forever*"])


def test_a_task_that_a_fixture_ends_is_not_left_running(small: pytest.Pytester) -> None:
    small.makepyfile(
        """
        import asyncio, pytest

        @pytest.fixture
        async def task():
            task = asyncio.create_task(asyncio.Event().wait())
            yield task
            task.cancel()

        async def test_it(task):
            assert not task.done()
        """
    )

    small.runpytest_subprocess().assert_outcomes(passed=1)


def test_what_is_missing_skips_on_a_laptop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)

    with pytest.raises(pytest.skip.Exception, match="redis is missing: install it"):
        missing("redis", remedy="install it")


def test_what_is_missing_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")

    with pytest.raises(pytest.fail.Exception, match="redis is missing: install it"):
        missing("redis", remedy="install it")
