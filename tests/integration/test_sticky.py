"""Sticky sessions (issue: "cookie; signed value that does not reveal the backend's address; a dead
backend's clients move once and stay")."""
import json
import re
import time

import pytest

from lib.client import request
from lib.origin import answer, serve, wait_until
from lib.proxy import port_free, run
from lib.reload import reload
from lib.settings import backends_of

NAME = "nextproxy_backend"
KEY = "a-key-of-the-tests-alone"


def named(name, *lines, status="200 OK"):
    """An origin's answers that say who it is, and which cookies it was sent."""
    return serve(lambda seen: answer(name, *[f"X-Cookie: {cookie}"
                                             for cookie in seen.get_all("Cookie")],
                                     *lines, status=status))


def sticky(**settings):
    return {"stickySession": {"enabled": True, **settings}}


def three(lab):
    return [lab.origin(named(name)) for name in ("one", "two", "three")]


def cookie_of(response):
    """The name and value that a response sets, or None."""
    line = response.get("Set-Cookie")
    return line.split(";")[0] if line else None


def ask(lab, proxy, *cookies, path="/", **options):
    lines = [f"Cookie: {cookie}" for cookie in cookies if cookie]
    return lab.ask(proxy, request("GET", path, *lines, **options))


def test_client_stays(lab):
    """Each with its own backend; the cookie is set once."""
    proxy = lab.proxy(*three(lab), loadBalancing=sticky())
    first = [ask(lab, proxy) for _ in range(6)]
    assert len({response.body for response in first}) == 3
    for response in first:
        cookie = cookie_of(response)
        again = [ask(lab, proxy, cookie) for _ in range(4)]
        assert {answered.body for answered in again} == {response.body}
        assert [cookie_of(answered) for answered in again] == [None] * 4


def test_cookie(lab):
    """Its attributes; nothing of the backend is in it; caches are told."""
    origins = three(lab)
    proxy = lab.proxy(*origins, loadBalancing=sticky(ttl=90000))
    response = ask(lab, proxy)
    line = response.get("Set-Cookie")
    assert re.fullmatch(NAME + "=[0-9a-f]{66}; Path=/; Max-Age=90; HttpOnly; SameSite=Lax", line)
    assert response.get_all("Cache-Control") == ["private"]
    # The same backend has another name with another key: it is no encoding of its address.
    other = lab.proxy(*origins, loadBalancing=sticky(ttl=90000))
    handles = [{cookie_of(ask(lab, asked)).split("=")[1][2:18] for _ in range(6)}
               for asked in (proxy, other)]
    assert [len(found) for found in handles] == [3, 3] and not handles[0] & handles[1]
    again = ask(lab, proxy, cookie_of(response))
    assert again.get("Cache-Control") is None


def test_secure_behind_a_proxy_that_has_tls(lab):
    """X-Forwarded-Proto counts when a trusted proxy says it."""
    believed = lab.proxy(*three(lab), loadBalancing=sticky(), trustedProxies=["127.0.0.0/8"])
    other = lab.proxy(*three(lab), loadBalancing=sticky())
    data = request("GET", "/", "X-Forwarded-Proto: https")
    assert lab.ask(believed, data).get("Set-Cookie").endswith("; Secure")
    assert "Secure" not in lab.ask(other, data).get("Set-Cookie")
    assert "Secure" not in lab.ask(believed, request()).get("Set-Cookie")


@pytest.mark.parametrize("cookies, forwarded", [
    (["{}"], []),
    (["a=1; {}; b=2"], ["a=1; b=2"]),
    (["{}; a=1", "c=3"], ["c=3", "a=1"]),
    (["{}; {}"], []),
    (["a=1;b=2"], ["a=1;b=2"]),
    (["x{}"], ["x{}"]),
])
def test_backend_does_not_see_it(lab, cookies, forwarded):
    """What else is in the field is forwarded."""
    proxy = lab.proxy(*three(lab), loadBalancing=sticky())
    cookie = cookie_of(ask(lab, proxy))
    response = ask(lab, proxy, *[text.replace("{}", cookie) for text in cookies])
    assert sorted(response.get_all("X-Cookie")) == \
        sorted(text.replace("{}", cookie) for text in forwarded)


def test_off_means_untouched(lab):
    """Without sticky sessions a cookie of that name is like any other."""
    proxy = lab.proxy(*three(lab))
    response = ask(lab, proxy, f"{NAME}=1; a=2")
    assert response.get("X-Cookie") == f"{NAME}=1; a=2"
    assert response.get("Set-Cookie") is None


def changed(cookie, at):
    """The cookie with another digit at that place of its value."""
    name, value = cookie.split("=")
    digit = "0" if value[at] != "0" else "1"
    return f"{name}={value[:at]}{digit}{value[at + 1:]}"


def test_forged_cookies_are_ignored(lab):
    """Whatever digit is changed, and whatever else stands there: a new one is set."""
    proxy = lab.proxy(*three(lab), loadBalancing=sticky())
    cookie = cookie_of(ask(lab, proxy))
    bad = [changed(cookie, at) for at in range(0, 66, 5)]
    bad += [f"{NAME}=", f"{NAME}=zz", cookie[:-2], cookie + "00", cookie.upper(), f"{NAME}=" + "0" * 66]
    for text in bad:
        assert cookie_of(ask(lab, proxy, text)) is not None
    good = ask(lab, proxy, f"{bad[0]}; {cookie}")
    assert cookie_of(good) is None


def test_expired_cookie_is_ignored(lab):
    proxy = lab.proxy(*three(lab), loadBalancing=sticky(ttl=1000))
    cookie = cookie_of(ask(lab, proxy))
    wait_until(lambda: cookie_of(ask(lab, proxy, cookie)) is not None, "a new cookie")


def test_cookie_is_renewed(lab):
    """When half of its time is over it is set anew, and the client stays where it is."""
    seconds = 6
    proxy = lab.proxy(*three(lab), loadBalancing=sticky(ttl=seconds * 1000))

    def renewed():
        """False when the machine stood still until the cookie may have been too old."""
        begun = time.monotonic()
        first = ask(lab, proxy)
        cookie = another = cookie_of(first)
        while another in (cookie, None):
            response = ask(lab, proxy, cookie)
            another, age = cookie_of(response), time.monotonic() - begun
            if age > seconds - 1:
                return False
            assert response.body == first.body
            assert another is None or age > seconds / 2 - 1
        return True
    wait_until(renewed, "a renewed cookie")


def test_dead_backends_clients_move_once(lab):
    """They get another backend, and stay there when theirs is back."""
    origins = three(lab)
    proxy = lab.proxy(*origins, loadBalancing=sticky())
    first = ask(lab, proxy)
    index = [b"one", b"two", b"three"].index(first.body)
    address = origins[index].address
    origins[index].close()
    moved = ask(lab, proxy, cookie_of(first))
    assert moved.status == 200 and moved.body != first.body
    assert cookie_of(moved) is not None
    for _ in range(3):
        stays = ask(lab, proxy, cookie_of(moved))
        assert (stays.body, cookie_of(stays)) == (moved.body, None)
    lab.origin(named(first.body.decode()), address=address)
    for _ in range(3):
        assert ask(lab, proxy, cookie_of(moved)).body == moved.body


def test_failing_backends_client_moves_by_retry(lab):
    """A status that is tried again takes the session along."""
    origins = [lab.origin(named("busy", status="503 Service Unavailable")), lab.origin(named("good"))]
    proxy = lab.proxy(*origins, loadBalancing=sticky(), passiveCheck={"enabled": False},
                      proxy={"retries": 0}, routes=[{"path": "/safe", "retries": 1}])
    busy = next(response for response in iter(lambda: ask(lab, proxy), None)
                if response.status == 503)
    assert ask(lab, proxy, cookie_of(busy)).status == 503
    moved = ask(lab, proxy, cookie_of(busy), path="/safe")
    assert moved.body == b"good"
    assert ask(lab, proxy, cookie_of(moved)).body == b"good"


def test_key_is_shared(lab):
    """Two instances with one key, by whatever way they got it, understand each other's cookies;
    without one they do not."""
    origins = three(lab)
    file = lab.directory / "key"
    file.write_text(KEY + "\n")
    one = lab.proxy(*origins, loadBalancing=sticky(key=KEY))
    two = lab.proxy(*origins, loadBalancing=sticky(keyFile=str(file)))
    three_ = lab.proxy(*origins, loadBalancing=sticky(),
                       env={"NEXTPROXY_LOAD_BALANCING_STICKY_SESSION_KEY": KEY})
    alone = lab.proxy(*origins, loadBalancing=sticky())
    for _ in range(3):
        response = ask(lab, one)
        for proxy in (two, three_):
            again = ask(lab, proxy, cookie_of(response))
            assert (again.body, cookie_of(again)) == (response.body, None)
        assert cookie_of(ask(lab, alone, cookie_of(response))) is not None


def test_sessions_outlive_a_reload(lab):
    """The key that was made by chance as well; an order of backends means nothing."""
    origins = three(lab)
    proxy = lab.proxy(*origins, loadBalancing=sticky())
    first = [ask(lab, proxy) for _ in range(3)]
    backends = backends_of(origins)
    reload(proxy, backends=backends[::-1])
    for response in first:
        again = ask(lab, proxy, cookie_of(response))
        assert (again.body, cookie_of(again)) == (response.body, None)


def test_another_key_in_the_file(lab):
    """It is read again with each reload; cookies that the earlier one has signed are strange now."""
    origins, file = three(lab), lab.directory / "key"
    file.write_text(KEY + "\n")
    proxy = lab.proxy(*origins, loadBalancing=sticky(keyFile=str(file)))
    first = ask(lab, proxy)
    file.write_text("another-" + KEY)
    assert reload(proxy).startswith("Reloaded: version 2")
    again = ask(lab, proxy, cookie_of(first))
    assert cookie_of(again) is not None
    assert cookie_of(ask(lab, proxy, cookie_of(again))) is None


def test_route_has_its_own(lab):
    origins = three(lab)
    routes = [{"path": "/a", "stickySession": {"enabled": True, "cookieName": "own"}},
              {"path": "/b"}]
    proxy = lab.proxy(*origins, routes=routes)
    response = ask(lab, proxy, path="/a")
    assert cookie_of(response).startswith("own=")
    assert {ask(lab, proxy, cookie_of(response), path="/a").body for _ in range(4)} == \
        {response.body}
    assert cookie_of(ask(lab, proxy, path="/b")) is None


def test_by_client_address(lab):
    """`source: client-ip`: no cookie, one backend for each address, whatever the strategy."""
    proxy = lab.proxy(*three(lab), loadBalancing=sticky(source="client-ip"))
    seen = {}
    for _ in range(3):
        for number in range(1, 13):
            client = lab.client(proxy, source=f"127.0.0.{number}")
            response = client.get()
            assert response.get("Set-Cookie") is None
            seen.setdefault(number, set()).add(response.body)
    assert {len(bodies) for bodies in seen.values()} == {1}
    assert len(set().union(*seen.values())) > 1


def test_upgrade_sets_it(lab):
    """The response to an upgrade is the last one there is."""
    def handler(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                        b"Upgrade: x\r\n\r\n")
        connection.wait_closed()
    proxy = lab.proxy(lab.origin(handler), loadBalancing=sticky())
    client = lab.client(proxy)
    client.send(request("GET", "/", "Connection: upgrade", "Upgrade: x"))
    head = client.read_head()
    assert head.status == 101 and cookie_of(head).startswith(NAME + "=")


def test_figures(lab):
    port = port_free()
    proxy = lab.proxy(*three(lab), loadBalancing=sticky(),
                      admin={"enabled": True, "port": port})
    cookie = cookie_of(ask(lab, proxy))
    ask(lab, proxy, cookie)
    ask(lab, proxy, changed(cookie, 20))
    text = lab.ask(("127.0.0.1", port), request(path="/metrics", host="127.0.0.1")).body.decode()
    found = dict(re.findall(r'nextproxy_sessions_total{outcome="(\w+)"} (\d+)', text))
    assert found == {"kept": "1", "new": "2", "moved": "0", "ignored": "1"}


@pytest.mark.parametrize("settings, word", [
    ({"key": "short"}, "16 to 256"), ({"key": KEY, "keyFile": "x"}, "together")])
def test_bad_keys(lab, settings, word):
    file = lab.directory / "config.json"
    file.write_text(json.dumps({"backends": [{"url": "http://127.0.0.1:1"}],
                                "loadBalancing": sticky(**settings)}))
    done = run("--check", "--config", str(file))
    assert done.returncode == 2 and word in done.stderr and settings["key"] not in done.stderr
