"""What installations of real older releases held is answered after an upgrade, all of it and as it was recorded."""

import pytest

from tests.e2e.distributed.deviations import DEVIATIONS, deviation
from tests.e2e.distributed.installation import Installation
from tests.e2e.distributed.old_answers import COMPARED, path_of
from tests.support.checkout import ROOT
from tests.support.recorded_answers import Difference, differences, reads_of, single_reads

ATTEMPTS = {"v0.5.1": 383, "v0.12.0": 364, "v1.1.0": 366}
EVENTS = {"v0.5.1": 119, "v0.12.0": 122, "v1.1.0": 125}
OF_V1_1_0 = {
    "`GET /tenants`",
    "Unknown destination or destination type",
    "Destinations of other types than `webhook`",
    "`attempt.event.matched_destination_ids`",
    "Paging",
}
OF_V0_12_0 = OF_V1_1_0 | {"Postgres 7"}
OF_V0_5_1 = OF_V0_12_0 | {
    "Tenants with `:` in their id, destinations missing from the summary",
    "Times in answers",
}
FOUND = {"v0.5.1": OF_V0_5_1, "v0.12.0": OF_V0_12_0, "v1.1.0": OF_V1_1_0}
"""The deviations that the data of each release shows."""


async def test_everything_is_answered_as_the_original_answers_it_but_for_listed_deviations(
    installation: Installation,
) -> None:
    reads = reads_of(installation.release, "answers-after-original")

    found: list[Difference] = []
    for read in [*reads, *single_reads(reads)]:
        found += differences(read, await installation.outpost.api("GET", read["path"].removeprefix("/api/v1")))

    assert [each for each in found if deviation(each) is None] == []
    assert {deviation(each) for each in found} == FOUND[installation.release]
    assert len({row["id"] for row in await installation.every("/events")}) == EVENTS[installation.release]
    assert len({row["id"] for row in await installation.every("/attempts")}) == ATTEMPTS[installation.release]


@pytest.mark.parametrize("installation", ["v0.5.1", "v0.12.0"], indirect=True)
async def test_what_an_old_release_answered_itself_is_still_what_is_answered(installation: Installation) -> None:
    """The original's migrations lose some of it; v1.1.0 answered as the original does after them."""
    reads = [read for read in reads_of(installation.release, "answers") if read["what"] in COMPARED]
    found = [read for read in reads if read["status"] == 200]
    gone = [read for read in reads if read["status"] == 404 and read["what"] in ("tenant", "destination")]

    for read in found:
        recorded, ours = await COMPARED[read["what"]](installation, read)
        assert ours == recorded, read["path"]
    for read in gone:
        assert (await installation.outpost.api("GET", path_of(read))).status == 404, read["path"]
    assert {read["what"] for read in found} == COMPARED.keys()


def test_every_deviation_is_a_row_of_the_compatibility_page() -> None:
    page = (ROOT / "docs" / "compatibility.md").read_text()

    assert [subject for subject in DEVIATIONS if f"\n| {subject} |" not in page] == []
