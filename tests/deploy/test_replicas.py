"""Several replicas start at once, and each runs the command of the init container."""

from tests.support.image import Container, ended
from tests.support.manifests import named

REPLICAS = 6


def test_replicas_on_one_sqlite_file_all_end_well_and_migrate_once(embedded: Container) -> None:
    (init,) = named("deployment.yaml")["spec"]["template"]["spec"]["initContainers"]

    replicas = [embedded.start(entrypoint=init["command"]) for _ in range(REPLICAS)]
    answers = [ended(replica) for replica in replicas]
    listed, history = embedded.run("migrate", "list").out, embedded.run("migrate", "history").out

    assert [answer.code for answer in answers] == [0] * REPLICAS, answers
    assert sum("started" in answer.err for answer in answers) == 1
    assert listed.count("[applied]") == 1
    assert history.count("sqlite/000001_initial") == 1
