"""Who is let in: by key, by tenant token, or not."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import pytest

from tests.support.api import API_KEY, JWT_SECRET, InProcessOutpost, refused, running_api
from tests.support.builders import START
from tests.support.http import call, connected

UNAUTHORIZED = refused(401, "unauthorized")
FORBIDDEN = refused(403, "forbidden")
NOW = int(START.timestamp())


def a_token(*, secret: str = JWT_SECRET, alg: str = "HS256", **claims: Any) -> str:
    """A token of tenant t1 that is good, but for what is named; a claim of None is left out."""
    hashes = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
    wanted = {"iss": "outpost", "sub": "t1", "iat": NOW, "exp": NOW + 60, **claims}
    signed = ".".join(
        _encoded(json.dumps(part).encode())
        for part in ({"alg": alg, "typ": "JWT"}, {name: value for name, value in wanted.items() if value is not None})
    )
    if alg not in hashes:
        return signed + "."
    return f"{signed}.{_encoded(hmac.digest(secret.encode(), signed.encode(), hashes[alg]))}"


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def claims_of(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    return json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))


async def test_without_credentials_nobody_is_let_in(outpost: InProcessOutpost) -> None:
    """Scenario 1; fault 2."""
    answer = await outpost.api("GET", "/topics", token=None)

    assert (answer.status, answer.json()) == (401, UNAUTHORIZED)
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "authorization",
    [
        "bearer key",
        "BEARER key",
        "Basic a2V5",
        "Bearer ",
        "Bearer",
        "Bearer  key",
        "key",
        "Bearer key2",
        "Bearer ke",
        "",
    ],
)
async def test_a_header_that_is_not_exactly_bearer_and_the_key_is_refused(
    outpost: InProcessOutpost, authorization: str
) -> None:
    """Scenario 2."""
    for method, path in (("GET", "/topics"), ("POST", "/publish")):
        answer = await outpost.api(method, path, token=None, headers={"Authorization": authorization})

        assert (answer.status, answer.json()) == (401, UNAUTHORIZED)


async def test_a_key_beside_the_right_one_is_refused_on_both_roads_of_publishing(outpost: InProcessOutpost) -> None:
    body = b'{"tenant_id":"t1","topic":"user.created","data":{}}'
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\nAuthorization: Bearer key\r\n"
    for path in (b"/api/v1/publish", b"/api/v1/publish?long"):
        async with connected(outpost.port) as connection:
            connection.send(head % path + b"Content-Length: %d\r\n\r\n" % len(body) + body)

            assert (await connection.answer()).status == 401


async def test_an_api_key_may_hold_any_character() -> None:
    async with running_api(api_key="schlüssel") as outpost:
        answer = await outpost.api("GET", "/topics", token=None, headers={"Authorization": "Bearer schlüssel"})

        assert answer.status == 200


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic rubbish"}, {"Authorization": "Bearer x.y.z"}])
async def test_an_open_api_takes_everyone_for_the_operator(headers: dict[str, str]) -> None:
    """Scenario 4."""
    async with running_api(api_key="", allow_open=True) as outpost:
        put = await outpost.api("PUT", "/tenants/t1", token=None, headers=headers)
        token = await outpost.api("GET", "/tenants/t1/token", token=None, headers=headers)
        published = await outpost.api("POST", "/publish", {"tenant_id": "t1", "data": {}, "topic": "*"}, token=None)

        assert (put.status, token.status, published.status) == (201, 200, 202)


@pytest.mark.parametrize("form", ["{}=", "{}!", "{}.", " {}"])
async def test_a_token_with_anything_beside_it_is_no_token(outpost: InProcessOutpost, form: str) -> None:
    token = await outpost.tenant("t1")

    answer = await outpost.api("GET", "/topics", token=None, headers={"Authorization": f"Bearer {form.format(token)}"})

    assert (answer.status, answer.json()) == (401, UNAUTHORIZED)


async def test_a_token_opens_its_own_tenant_only(outpost: InProcessOutpost) -> None:
    """Scenario 5."""
    token = await outpost.tenant("t1")
    await outpost.tenant("t2")

    own = await outpost.api("GET", "/tenants/t1", token=token)
    other = await outpost.api("GET", "/tenants/t2", token=token)
    unknown = await outpost.api("GET", "/tenants/nobody", token=token)

    assert own.status == 200
    assert (other.status, other.json()) == (403, FORBIDDEN)
    assert (unknown.status, unknown.json()) == (403, FORBIDDEN)


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/publish"), ("GET", "/tenants/t1/token"), ("GET", "/tenants/t1/portal")]
)
async def test_what_is_the_operators_is_closed_to_tenants(outpost: InProcessOutpost, method: str, path: str) -> None:
    """Scenario 6."""
    token = await outpost.tenant("t1")

    answer = await outpost.api(method, path, token=token)

    assert (answer.status, answer.json()) == (403, FORBIDDEN)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/topics"),
        ("GET", "/destination-types"),
        ("GET", "/destination-types/webhook"),
        ("GET", "/tenants"),
        ("GET", "/tenants/t1"),
        ("PUT", "/tenants/t1"),
        ("GET", "/tenants/t1/destinations"),
        ("GET", "/tenants/t1/destinations/d1"),
        ("PUT", "/tenants/t1/destinations/d1/disable"),
        ("PUT", "/tenants/t1/destinations/d1/enable"),
        ("GET", "/tenants/t1/destinations/d1/attempts"),
        ("GET", "/events"),
        ("GET", "/attempts"),
    ],
)
async def test_what_is_open_to_a_tenant_and_what_happens_when_it_is_gone(
    outpost: InProcessOutpost, method: str, path: str
) -> None:
    """Scenario 7, and the column "A/T" of the route table."""
    token = await outpost.tenant("t1")
    await outpost.webhook("d1")

    assert (await outpost.api(method, path, token=token)).status == 200
    await outpost.api("DELETE", "/tenants/t1")
    gone = await outpost.api(method, path, token=token)

    assert (gone.status, gone.json()) == (401, UNAUTHORIZED)


@pytest.mark.parametrize(
    "token",
    [
        a_token(exp=NOW - 1),
        a_token(exp=NOW),
        a_token(exp=None),
        a_token(exp="tomorrow"),
        a_token(iss="someone"),
        a_token(iss=None),
        a_token(sub=None),
        a_token(sub=""),
        a_token(sub=5),
        a_token(nbf=NOW + 60),
        a_token(secret="another"),
        a_token(alg="none"),
        a_token(alg="HS384"),
        a_token(alg="HS512"),
        a_token()[:-2],
        a_token() + "x",
        a_token().replace(".", ""),
        a_token(sub="t2").rpartition(".")[0] + "." + a_token().rpartition(".")[2],
        "é.é.é",
        "..",
    ],
)
async def test_a_token_that_is_not_good_is_refused(outpost: InProcessOutpost, token: str) -> None:
    """Scenario 8; fault 25."""
    await outpost.tenant("t1")

    answer = await outpost.api("GET", "/tenants/t1", token=token)

    assert (answer.status, answer.json()) == (401, UNAUTHORIZED)


async def test_a_token_of_the_reference_is_good(outpost: InProcessOutpost) -> None:
    """It has no mark of the tenant's life; one issued a little in the future is fine too."""
    await outpost.tenant("t1")

    assert (await outpost.api("GET", "/tenants/t1", token=a_token())).status == 200
    assert (await outpost.api("GET", "/tenants/t1", token=a_token(iat=NOW + 60))).status == 200


async def test_a_token_that_was_good_ends_when_its_time_comes(outpost: InProcessOutpost) -> None:
    token = await outpost.tenant("t1")

    outpost.clock.advance(hours=23, minutes=59)
    before = await outpost.api("GET", "/tenants/t1", token=token)
    outpost.clock.advance(minutes=2)
    after = await outpost.api("GET", "/tenants/t1", token=token)

    assert (before.status, after.status) == (200, 401)


async def test_the_deployment_of_a_token_is_compared() -> None:
    """Scenario 33; fault 26."""
    async with running_api(deployment_id="prod") as outpost:
        token = await outpost.tenant("t1")

        assert claims_of(token)["deployment_id"] == "prod"
        assert (await outpost.api("GET", "/tenants/t1", token=token)).status == 200
        for other in (a_token(deployment_id="test"), a_token()):
            assert (await outpost.api("GET", "/tenants/t1", token=other)).status == 401


async def test_tokens_of_a_deleted_tenant_stay_bad_when_its_id_is_used_again(outpost: InProcessOutpost) -> None:
    """Fault 34."""
    old = await outpost.tenant("t1")
    await outpost.api("DELETE", "/tenants/t1")
    outpost.clock.advance(seconds=1)
    new = await outpost.tenant("t1")

    assert (await outpost.api("GET", "/tenants/t1", token=old)).status == 401
    assert (await outpost.api("GET", "/tenants/t1", token=new)).status == 200


async def test_a_token_says_who_for_and_for_how_long(outpost: InProcessOutpost) -> None:
    """Scenario 33."""
    await outpost.tenant("t1")

    answer = await outpost.api("GET", "/tenants/t1/token")

    assert answer.status == 200
    assert answer.json()["tenant_id"] == "t1"
    header, _, signature = answer.json()["token"].split(".")
    claims = claims_of(answer.json()["token"])
    assert json.loads(urlsafe_b64decode(header + "==")) == {"alg": "HS256", "typ": "JWT"}
    assert (claims["iss"], claims["sub"], claims["iat"], claims["exp"]) == ("outpost", "t1", NOW, NOW + 86_400)
    assert "deployment_id" not in claims
    signed = answer.json()["token"].rpartition(".")[0].encode()
    assert signature == _encoded(hmac.digest(JWT_SECRET.encode(), signed, "sha256"))


@pytest.mark.parametrize("path", ["/tenants/nobody/token", "/tenants/nobody/portal"])
async def test_there_is_no_token_for_an_unknown_tenant(outpost: InProcessOutpost, path: str) -> None:
    """Scenario 35."""
    answer = await outpost.api("GET", path)

    assert (answer.status, answer.json()) == (404, refused(404, "tenant not found"))


async def test_the_portal_link_leads_to_the_host_that_was_asked(outpost: InProcessOutpost) -> None:
    """Scenario 34; fault 16."""
    await outpost.tenant("t1")

    async def link(query: str = "") -> str:
        answer = await outpost.api("GET", f"/tenants/t1/portal{query}", headers={"Host": "h.example:8080"})
        assert (answer.status, answer.json()["tenant_id"]) == (200, "t1")
        return answer.json()["redirect_url"]

    plain = await link()
    assert plain.startswith("http://h.example:8080/?token=")
    token = plain.partition("token=")[2]
    assert (await outpost.api("GET", "/tenants/t1", token=token)).status == 200
    assert (await link("?theme=dark")).endswith("&theme=dark")
    assert (await link("?theme=light")).endswith("&theme=light")
    assert "theme" not in await link("?theme=blue")
    assert "theme" not in await link("?theme=")


FORWARDED = {"Host": "inner", "X-Forwarded-Proto": "https, http", "X-Forwarded-Host": "outpost.example.com, inner"}


@pytest.mark.parametrize(
    ("trusted_proxies", "origin"),
    [((), "http://inner/"), (("10.0.0.0/8",), "http://inner/"), (("127.0.0.0/8",), "https://outpost.example.com/")],
)
async def test_forwarded_headers_count_from_trusted_proxies_only(trusted_proxies: tuple[str, ...], origin: str) -> None:
    """Fault 16."""
    async with running_api(trusted_proxies=trusted_proxies) as outpost:
        await outpost.tenant("t1")

        answer = await outpost.api("GET", "/tenants/t1/portal", headers=FORWARDED)

        assert answer.json()["redirect_url"].startswith(f"{origin}?token=")


@pytest.mark.parametrize("host", ["a/b", "a b", "x@y", "", "h:99999999"])
async def test_a_portal_link_is_not_made_of_a_host_that_is_none(outpost: InProcessOutpost, host: str) -> None:
    """Fault 16."""
    await outpost.tenant("t1")

    answer = await outpost.api("GET", "/tenants/t1/portal", headers={"Host": host})

    assert (answer.status, answer.json()) == (400, refused(400, "invalid Host header"))


async def test_who_calls_is_looked_at_before_what_is_sent(outpost: InProcessOutpost) -> None:
    """Scenario 9."""
    token = await outpost.tenant("t1")

    unknown = await outpost.api("POST", "/tenants/nobody/destinations", raw=b"{bad")
    nobody = await outpost.api("POST", "/publish", raw=b"{bad", token=None)
    other = await outpost.api("POST", "/tenants/t2/destinations", raw=b"{bad", token=token)

    assert (unknown.status, unknown.json()) == (404, refused(404, "tenant not found"))
    assert (nobody.status, other.status) == (401, 403)


async def test_health_needs_no_credentials(outpost: InProcessOutpost) -> None:
    """Scenario 12."""
    for path in ("/healthz", "/api/v1/healthz"):
        for token in (None, "wrong", API_KEY):
            assert (await call(outpost.port, "GET", path, token=token)).status == 200
