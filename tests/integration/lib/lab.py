"""One object per test (or module) that owns what it started and ends it in the right order."""
import pathlib
import shutil
import tempfile

from lib.client import Client
from lib.origin import Origin
from lib.proxy import Proxy
from lib.settings import config_of

SAID_CHARACTERS = 3000


class Lab:
    """Origins, proxies and clients; also a context manager."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="nextproxy-test-"))
        self.origins, self.proxies, self.clients = [], [], []
        self.said = []

    def origin(self, handler=None, **options):
        origin = Origin(handler, **options)
        self.origins.append(origin)
        return origin

    def keep(self, server):
        """Takes over anything with close(), such as a real origin."""
        self.origins.append(server)
        return server

    def proxy(self, *origins, env=None, how=None, **sections):
        """A running proxy before these origins; `how` it is started is told to Proxy, other
        arguments are sections of its config."""
        directory = self.directory / f"proxy{len(self.proxies)}"
        config = config_of(origins, directory / "logs", **sections)
        proxy = Proxy(config, directory, env, **(how or {}))
        proxy.logs = directory / "logs"
        self.proxies.append(proxy)
        return proxy

    def client(self, proxy, **options):
        client = Client(getattr(proxy, "address", proxy), **options)
        self.clients.append(client)
        return client

    def ask(self, proxy, data, method=None):
        """One request on a connection of its own."""
        client = self.client(proxy)
        response = client.ask(data, method)
        client.close()
        return response

    def close(self):
        """Ends all of it; raises the first thing that went wrong, but ends all of it first."""
        errors = []
        for ending in ([client.close for client in self.clients]
                       + [proxy.stop for proxy in self.proxies]
                       + [origin.close for origin in self.origins]):
            try:
                ending()
            except (AssertionError, OSError) as error:
                errors.append(error)
        for proxy in self.proxies:
            if not proxy.stopped:
                proxy.kill()
        self.said = self.story()
        shutil.rmtree(self.directory, ignore_errors=True)
        if errors:
            raise errors[0]

    def story(self):
        """What the proxies have said last, for who wonders why a test failed: (title, text) each."""
        if not self.directory.exists():
            return self.said
        return [(f"{file.relative_to(self.directory)} (its end)",
                 file.read_text(errors="replace")[-SAID_CHARACTERS:])
                for proxy in self.proxies
                for file in [proxy.stderr_file, *sorted(proxy.logs.glob("*.log"))]
                if file.exists() and file.stat().st_size > 0]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            self.close()
        except AssertionError:
            if kind is None:
                raise
