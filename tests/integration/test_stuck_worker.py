"""A worker that does not go on (issue: "watchdog"): its thread is stopped while the others run. It is
seen, told to whoever asks, and to the service manager by silence; and all of it ends by itself."""
import os
import select
import signal

import pytest

from lib.admin import add, ask, managed, metrics_of, status_of, status_text
from lib.client import request
from lib.logs import entries
from lib.nameserver import NameServer
from lib.origin import named, twins, wait_until
from lib.proxy import port_free
from lib.reload import reload, reload_entries
from lib.service_manager import Manager
from lib.threads import freeze, thread_ids

WATCHDOG_US = 3_000_000  # half of it is longer than a busy machine holds up a worker


@pytest.fixture(name="manager")
def service_manager(lab):
    path = str(lab.directory / "notify")
    manager = Manager(path)
    manager.env = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": str(WATCHDOG_US)}
    yield manager
    manager.sock.close()


def told(proxy):
    return [(entry["level"], entry["message"]) for entry in entries(proxy, "worker_stuck")]


def clients_on_both(lab, proxy):
    """Idle connections, some on each of the two workers."""
    clients = [lab.client(proxy) for _ in range(8)]
    for client in clients:
        assert client.get().status == 200
    figures = metrics_of(lab, proxy)
    assert all(figures[f'nextproxy_worker_connections{{worker="{index}"}}'] > 0 for index in (0, 1))
    return clients


def answered(clients):
    """Those that have been sent something."""
    return select.select([client.sock for client in clients], [], [], 0)[0]


def test_one_worker_stands_still(lab, manager):
    proxy = managed(lab, lab.origin(), workers=2, env=manager.env)
    clients = clients_on_both(lab, proxy)
    frozen = freeze(lab, thread_ids(proxy.engine_pid)[1])
    wait_until(lambda: [level for level, _ in told(proxy)] == ["error"], "it is seen")
    assert "watchdog will end this process" in told(proxy)[0][1]
    answer = ask(lab, proxy, "/healthz")
    assert (answer.status, answer.body) == (503, b'{"alive":false,"workersStuck":1}\n')
    assert metrics_of(lab, proxy)["nextproxy_workers_stuck"] == 1
    assert status_of(lab, proxy)["workersStuck"] == 1
    assert " stuck\n" in status_text(lab, proxy)
    manager.forget()
    assert manager.silent(WATCHDOG_US / 1e6)
    for client in clients:
        client.send(request())
    wait_until(lambda: answered(clients), "the other worker serves")
    assert len(answered(clients)) < len(clients)
    frozen.close()
    for client in clients:
        assert client.read_response().status == 200
    manager.hear("WATCHDOG")
    wait_until(lambda: [level for level, _ in told(proxy)] == ["error", "info"], "its end")
    assert ask(lab, proxy, "/healthz").status == 200
    assert metrics_of(lab, proxy)["nextproxy_workers_stuck"] == 0
    assert "stuck" not in status_text(lab, proxy)


def test_a_process_that_was_stopped_as_a_whole(lab, manager):
    """When it goes on no worker is blamed, although all of them are late."""
    proxy = managed(lab, lab.origin(), workers=2, env=manager.env)
    manager.hear("WATCHDOG")
    os.kill(proxy.engine_pid, signal.SIGSTOP)
    manager.forget()
    assert manager.silent(WATCHDOG_US / 1e6)
    os.kill(proxy.engine_pid, signal.SIGCONT)
    manager.hear("WATCHDOG")
    assert ask(lab, proxy, "/healthz").status == 200
    assert not told(proxy)


@pytest.mark.parametrize("off", ["", "defer_taskrun"])
def test_who_asks_behind_a_verdict_is_served_by_it(lab, off):
    """By a worker, too, that finds the new configuration and the request at the same time."""
    proxy = lab.proxy(lab.origin(named("old")), env={"NEXTPROXY_RING_DISABLE": off})
    client = lab.client(proxy)
    assert client.get().body == b"old"
    frozen = freeze(lab, thread_ids(proxy.engine_pid)[0])
    new = lab.origin(named("new"))
    assert reload(proxy, backends=[{"id": "new", "url": new.url}]).startswith("Reloaded")
    client.send(request())
    frozen.close()
    assert client.read_response().body == b"new"


def test_a_change_that_cannot_be_served_says_why(lab):
    """A listener that is gone is still in use by the worker: its sockets may be wanted again."""
    extra = {"address": "127.0.0.1", "port": port_free()}
    proxy = managed(lab, lab.origin(), workers=2)
    own = proxy.config["listeners"]
    assert reload(proxy, listeners=[*own, extra]).startswith("Reloaded")
    frozen = freeze(lab, thread_ids(proxy.engine_pid)[1])
    assert reload(proxy, listeners=own).startswith("Reloaded")
    refused = add(lab, proxy, url="http://127.0.0.1:1", id="more")
    assert refused.status == 503 and b"still busy with an earlier reload" in refused.body
    wait_until(lambda: "still busy with an earlier reload" in reload_entries(proxy)[-1][1],
               "the log")
    frozen.close()
    wait_until(lambda: add(lab, proxy, url="http://127.0.0.1:1", id="more").status == 201,
               "the change")


def test_names_are_followed_when_the_worker_lets_go(lab):
    """The change comes while it holds a listener that is gone; nothing tells of it a second time."""
    server = lab.keep(NameServer())
    first, _ = twins(lab, "one", "two")
    server.point("app.test", "127.0.0.1")
    proxy = lab.proxy({"id": "app", "url": f"http://app.test:{first.address[1]}"},
                      dns=server.settings())
    own = proxy.config["listeners"]
    extra = {"address": "127.0.0.1", "port": port_free()}
    assert reload(proxy, listeners=[*own, extra]).startswith("Reloaded")
    frozen = freeze(lab, thread_ids(proxy.engine_pid)[0])
    assert reload(proxy, listeners=own).startswith("Reloaded")
    server.point("app.test", "127.0.0.2")
    wait_until(lambda: "is not followed yet" in reload_entries(proxy)[-1][1], "the log")
    frozen.close()
    wait_until(lambda: lab.ask(proxy, request()).body == b"two", "traffic at the other address")
