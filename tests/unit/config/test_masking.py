"""What is left of a URL that is shown."""

import pytest

from outpost.config.masking import mask_url, url_host


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("amqp://guest:hunter2@mq:5672/vhost", "amqp://***:***@mq:5672/vhost"),
        ("postgres://hunter2@h:1,h2:2/db?password=hunter2&sslmode=disable", "postgres://***:***@h:1,h2:2/db?***"),
        ("postgres://u:hunter2/x@h/db", "postgres://***:***@h/db"),
        ("postgres://u:hunter2?x@h/db", "postgres://***:***@h/db"),
        ("postgres://u:a@hunter2@h/db", "postgres://***:***@h/db"),
        ("https://h/path#hunter2", "https://h/path#***"),
        ("https://h", "https://h"),
        ("host=h password=hunter2", "***"),
        ("", ""),
    ],
)
def test_nothing_secret_is_left_of_a_url(url: str, shown: str) -> None:
    assert mask_url(url) == shown
    assert "hunter2" not in mask_url(url)


def test_only_host_and_port_are_left() -> None:
    assert url_host("postgres://u:p@db:5432/outpost?sslmode=disable") == "db:5432"
    assert url_host("host=db password=hunter2") == ""
