"""Connection strings that work with the Go program work here, and no message repeats what they hold."""

import pytest

from outpost.clients.postgres import InvalidTarget, Target


def test_a_url_names_host_port_user_password_and_database() -> None:
    target = Target.parse("postgres://me:secret@db.example.com:6432/outpost")

    assert (target.hosts, target.ports) == (("db.example.com",), (6432,))
    assert (target.user, target.password, target.database) == ("me", "secret", "outpost")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_either_scheme_will_do(scheme: str) -> None:
    assert Target.parse(f"{scheme}://db/outpost").hosts == ("db",)


@pytest.mark.parametrize("written", ["p%40ss%3Aw%2Frd", "p@ss:w%2Frd"])
def test_a_password_may_hold_what_separates_the_parts(written: str) -> None:
    target = Target.parse(f"postgres://me:{written}@db/outpost")

    assert (target.user, target.password, target.hosts) == ("me", "p@ss:w/rd", ("db",))


def test_pairs_say_the_same_as_a_url() -> None:
    pairs = Target.parse(r"host=db port = 6432 user=me password='it\'s a \\ secret' dbname=outpost sslmode=require")

    assert pairs == Target.parse("postgres://me:it's a %5C secret@db:6432/outpost?sslmode=require")


def test_several_hosts_may_be_named() -> None:
    by_url = Target.parse("postgres://one:1,[::1]:2,three/outpost")
    by_pairs = Target.parse("host=one,::1,three port=1,2,5432 dbname=outpost")

    assert by_url == by_pairs
    assert by_url.address == "one:1,[::1]:2,three:5432/outpost"


def test_a_folder_of_sockets_is_a_host() -> None:
    target = Target.parse("postgres:///outpost?host=/run/postgresql&user=me")

    assert (target.hosts, target.user, target.address) == (("/run/postgresql",), "me", "/run/postgresql/outpost")


def test_what_only_pgx_knows_is_not_sent_to_the_server() -> None:
    target = Target.parse(
        "postgres://db/outpost?pool_max_conns=20&pool_max_conn_lifetime=1h&statement_cache_capacity=10"
        "&connect_timeout=3&channel_binding=require&search_path=a%2Cb&application_name=ours"
    )

    assert target.options == {"search_path": "a,b", "application_name": "ours"}
    assert (target.max_connections, target.connect_timeout) == (20, 3)


@pytest.mark.parametrize(
    "option",
    [
        "default_query_exec_mode=simple_protocol",
        "default_query_exec_mode=exec",
        "statement_cache_capacity=0",
        "statement_cache_mode=describe",
        "prefer_simple_protocol=true",
    ],
)
def test_a_string_written_for_a_session_pooler_keeps_no_statements(option: str) -> None:
    assert not Target.parse(f"postgres://db/outpost?{option}").keeps_statements
    assert Target.parse("postgres://db/outpost").keeps_statements


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hunter2",
        "mysql://me:hunter2@db/outpost",
        "postgres://me:hunter2@db:port/outpost",
        "postgres://me:hunter2/more@db/outpost",
        "postgres://me:hunter2@db:99999/outpost",
        "postgres://me:hunter2%zz@db/outpost",
        "postgres://me:hunter2@db/outpost?sslmode=hunter2",
        "postgres://me:hunter2@db/outpost?pool_max_conns=hunter2",
        "host=one,two port=1,2,3 password=hunter2",
        "password='hunter2",
    ],
)
def test_a_string_that_cannot_be_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(InvalidTarget) as raised:
        Target.parse(text)

    assert "hunter2" not in str(raised.value)


def test_neither_password_nor_options_are_shown() -> None:
    target = Target.parse("postgres://me:hunter2@db/outpost?sslpassword=hunter2")

    assert "hunter2" not in repr(target) + target.address
