"""A configuration file that is bad when the engine has crashed: what was served before the crash is
served on, as after a reload that was refused (issue: "a bad configuration must never take down a
running proxy")."""
import json
import os
import signal

import pytest

from lib.admin import ask, managed, status_of, status_text
from lib.client import request
from lib.engine import configuration_kept, crash, upgrade
from lib.logs import messages
from lib.origin import named, wait_until
from lib.reload import reload, reload_entries, verdicts, write_config


pytestmark = pytest.mark.usefixtures("crashes")


def wait_kept(proxy, text):
    """Until the supervisor has what a restart may fall back to."""
    wait_until(lambda: text in configuration_kept(proxy), "the configuration is kept")


def refused(lab, proxy):
    """The newest event of /status, which is a reload that was refused: its report."""
    newest = status_of(lab, proxy)["reloads"][0]
    assert newest["what"] == "reload" and newest["result"] == "refused"
    return newest["report"]


def test_what_was_served_is_served_on(lab):
    """Twice, and then it goes on as after any reload that was refused."""
    proxy = managed(lab, lab.origin(named("first")))
    good = proxy.config_file.read_text()
    write_config(proxy, good[:-30])
    for count in (1, 2):
        crash(proxy)
        assert lab.ask(proxy, request()).body == b"first"
        report = refused(lab, proxy)
        assert "not valid JSON" in report[0]
        assert report[1].startswith("Not reloaded: 1 problem in the configuration")
        wait_until(lambda seen=count: len(verdicts(proxy)) == seen, "the log")
        assert reload_entries(proxy)[-2:] == [("error", line) for line in report]
        assert proxy.stderr().count("the configuration that was served before is served on") == count
    assert "engine          restarted 2 times after a crash\n" in status_text(lab, proxy)
    assert b'nextproxy_reloads_total{result="refused"} 1\n' in ask(lab, proxy, "/metrics").body
    proxy.signal(signal.SIGHUP)
    wait_until(lambda: len(verdicts(proxy)) == 3, "the next reload is refused as well")
    assert reload(proxy, timeouts={"drain": 2000}).startswith("Reloaded: version 2")


def test_a_good_file_is_seen_by_itself(lab):
    proxy = lab.proxy(lab.origin(named("first")), reload={"watch": True})
    good = proxy.config_file.read_text()
    write_config(proxy, "{")
    wait_until(lambda: verdicts(proxy), "it is refused")
    crash(proxy)
    assert lab.ask(proxy, request()).status == 200
    write_config(proxy, good.replace('"workers": 1', '"workers": 2'))
    wait_until(lambda: verdicts(proxy)[-1].startswith("Reloaded: version 2"), "the good file")


def test_it_is_what_was_served_last(lab):
    """Not what was read first; also after an upgrade, whose supervisor is another program."""
    proxy = managed(lab, lab.origin(named("first")))
    second = lab.origin(named("second"))
    reload(proxy, backends=[{"url": second.url}])
    wait_kept(proxy, second.url)
    upgrade(proxy)
    os.unlink(proxy.config_file)
    crash(proxy)
    assert lab.ask(proxy, request()).body == b"second"
    assert "No such file" in refused(lab, proxy)[0]
    write_config(proxy, json.dumps(proxy.config))


def test_files_and_the_environment(lab):
    """What the file names is kept with it, under relative paths too; the environment holds as ever."""
    page = lab.directory / "page.html"
    page.write_text("<p>our page</p>")
    proxy = managed(lab, "http://127.0.0.1:1", env={"BACKENDS": "http://127.0.0.1:2"},
                    errorTemplates={"html": "../page.html"})
    page.unlink()
    crash(proxy)
    seen = lab.ask(proxy, request("GET", "/", "Accept: text/html"))
    assert seen.body == b"<p>our page</p>"
    assert "page.html" in refused(lab, proxy)[0]
    assert [backend["url"] for backend in status_of(lab, proxy)["backends"]] == ["http://127.0.0.1:2"]


def test_a_file_that_looks_good(lab):
    """But no engine can start with it: after one has tried."""
    proxy = managed(lab, lab.origin(named("first")))
    write_config(proxy, proxy.config_file.read_text().replace('"address": "127.0.0.1"',
                                                             '"address": "192.0.2.1"'))
    crash(proxy)
    assert lab.ask(proxy, request()).body == b"first"
    assert "no engine became ready with it" in refused(lab, proxy)[0]
    wait_until(lambda: messages(proxy, "start_failure"), "the log")
    assert "cannot listen on 192.0.2.1" in messages(proxy, "start_failure")[0]
    write_config(proxy, json.dumps(proxy.config))
