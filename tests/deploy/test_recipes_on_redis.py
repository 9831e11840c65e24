"""The recipes that migrate a Redis: several replicas at once, and from outside its network."""

import json

from tests.support.image import Container, ended
from tests.support.manifests import named
from tests.support.servers.redis import RedisServer
from tests.support.stand_ins import StandIns

REPLICAS = 6


def _settings(server: RedisServer) -> dict[str, str]:
    return {"REDIS_HOST": server.host, "REDIS_PORT": str(server.port), "REDIS_PASSWORD": server.password}


def test_replicas_on_one_redis_all_end_well_and_migrate_once(
    container: Container, redis_password_server: RedisServer
) -> None:
    redis_password_server.command("HSET", "tenant:acme", "id", "acme", "created_at", "2025-05-06T12:00:00Z")
    container.settings |= _settings(redis_password_server)
    (init,) = named("deployment.yaml")["spec"]["template"]["spec"]["initContainers"]

    replicas = [container.start(entrypoint=init["command"]) for _ in range(REPLICAS)]
    answers = [ended(replica) for replica in replicas]
    runs = json.loads(container.run("migrate", "history", "--json").out)["runs"]

    assert [answer.code for answer in answers] == [0] * REPLICAS, answers
    steps = [step for run in runs for step in run["migrations"]]
    assert len(steps) == len(set(steps)) == 3


def test_a_forwarded_port_is_enough_to_migrate(redis_password_server: RedisServer, stand_ins: StandIns) -> None:
    stand_ins.put_behind_the_host("redis.internal:6379", redis_password_server.port)
    password = redis_password_server.password

    answer = stand_ins.run("deploy/port-forward", "bastion-host", "redis.internal", REDIS_PASSWORD=password)

    assert answer.code == 0, answer.err
    assert [(asked["host"], asked["forward"]) for asked in stand_ins.asked("ssh")] == [
        ("bastion-host", "6379:redis.internal:6379")
    ]
    assert password not in json.dumps(stand_ins.asked("ssh")) + answer.out + answer.err


def test_a_port_that_is_taken_is_not_taken_for_the_forwarded_one(stand_ins: StandIns) -> None:
    stand_ins.take_port(6379)

    answer = stand_ins.run("deploy/port-forward", "bastion-host", "redis.internal", REDIS_PASSWORD="")

    assert answer.code == 255
    assert not stand_ins.asked("docker")


def test_a_one_off_pod_migrates_redis(redis_password_server: RedisServer, stand_ins: StandIns) -> None:
    stand_ins.add_secret("outpost-config", _settings(redis_password_server))

    assert stand_ins.run("deploy/kubernetes/one-off-pod").code == 0
    assert redis_password_server.command("KEYS", "outpost:migration:*")


def test_a_host_inside_the_network_migrates_redis(
    container: Container, redis_password_server: RedisServer, stand_ins: StandIns
) -> None:
    lines = [f"{name}={value}" for name, value in _settings(redis_password_server).items()]
    (container.data / "outpost.env").write_text("\n".join(lines))

    assert stand_ins.run("deploy/ssh-host", "app-server").code == 0
    assert redis_password_server.command("KEYS", "outpost:migration:*")
