"""ClickHouse over this program's HTTP client."""

from outpost.clients.clickhouse import Answer, ClickHouse, NoAnswer, Transport
from outpost.clients.http import DeadlineExceeded, HttpClient, HttpError, InvalidUrl, Url
from outpost.config.clickhouse import ClickHouseSettings
from outpost.domain.errors import ConfigurationError


def clickhouse_client(settings: ClickHouseSettings, http: HttpClient) -> ClickHouse:
    """Return a client for the configured database; it lives as long as `http`.

    Raises:
        ConfigurationError: The address cannot be read.
    """
    try:
        Url.parse(settings.http_url)
    except InvalidUrl as error:
        raise ConfigurationError(f"ClickHouse: {error} ({settings.http_url_origin})") from None
    return ClickHouse(
        http_transport(http),
        url=settings.http_url,
        user=settings.username,
        password=settings.password,
        database=settings.database,
    )


def http_transport(http: HttpClient) -> Transport:
    """Return a transport that sends through `http`."""

    async def post(url: str, head: bytes, body: bytes, *, deadline: float, max_body: int) -> Answer:
        try:
            return await http.request(b"POST", Url.parse(url), head, body, deadline=deadline, max_body=max_body)
        except HttpError as error:
            reason = f"{error.sentence} ({error.detail})" if error.detail else error.sentence
            raise NoAnswer(reason, timed_out=isinstance(error, DeadlineExceeded)) from None

    return post
