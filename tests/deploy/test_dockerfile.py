"""The Dockerfile, as far as it can be judged without building it."""

import os

import pytest

from tests.support.checkout import ROOT, tracked_files
from tests.support.dockerfile import is_sent_to_the_builder, stages

BUILD, FINAL = stages()


def test_every_source_of_a_copy_is_tracked_and_sent_to_the_builder() -> None:
    tracked = [path.as_posix() for path in tracked_files()]
    sources = [source for stage in (BUILD, FINAL) for copy in stage.copies if not copy.stage for source in copy.sources]

    assert sources
    for source in sources:
        assert [path for path in tracked if path == source or path.startswith(f"{source}/")], source
        assert is_sent_to_the_builder(source), source


@pytest.mark.parametrize("path", [".git/config", ".env", "tests/conftest.py", "outpost-data/api-key", "deploy/ci-step"])
def test_what_the_image_does_not_need_is_not_sent_to_the_builder(path: str) -> None:
    assert not is_sent_to_the_builder(path)


def test_only_the_installed_package_and_the_scripts_are_in_the_image() -> None:
    assert [copy.sources for copy in FINAL.copies] == [
        ("/opt/outpost",),
        ("deploy/entrypoint", "deploy/healthcheck", "deploy/migrate-then-serve"),
    ]
    assert "pip install" not in " ".join(FINAL.values("RUN"))


def test_copied_scripts_may_be_executed_and_say_how() -> None:
    for copy in FINAL.copies:
        for source in copy.sources if not copy.stage else ():
            assert os.access(ROOT / source, os.X_OK), source
            assert (ROOT / source).read_text().startswith("#!"), source


def test_the_user_is_a_number_other_than_root_and_owns_the_volume() -> None:
    user = FINAL.value("USER")

    assert all(number.isdigit() and int(number) > 0 for number in user.split(":"))
    assert FINAL.value("VOLUME") == FINAL.value("WORKDIR") == "/data"
    assert f"chown {user} /data" in FINAL.value("RUN")


def test_the_entry_point_is_the_script_and_outpost_is_on_the_path() -> None:
    search = FINAL.environment["PATH"].split(":")

    assert FINAL.value("ENTRYPOINT") == '["entrypoint"]'
    assert "/opt/outpost/bin" in search
    assert "/usr/local/bin" in search
    assert FINAL.values("CMD") == []


def test_both_stages_have_the_same_base_which_the_builder_may_choose() -> None:
    text = (ROOT / "Dockerfile").read_text()

    assert BUILD.base == FINAL.base == "${BASE}"
    assert "ARG BASE=python:3." in text.partition("FROM")[0]


def test_the_label_carries_the_version_that_the_build_compared_with_the_package() -> None:
    assert FINAL.labels["org.opencontainers.image.version"] == "${VERSION}"
    assert 'outpost --version)" = "outpost ${VERSION:?' in BUILD.value("RUN")


def test_the_image_stops_on_sigterm_and_knows_how_to_ask_for_health() -> None:
    assert FINAL.value("STOPSIGNAL") == "SIGTERM"
    assert FINAL.value("HEALTHCHECK").endswith('CMD ["healthcheck"]')
