"""An origin in a process of its own, which can be killed or frozen. As a program it is that process:
it prints its port and answers every request with 200 and the size of the body it got."""
import asyncio
import signal
import sys

from lib.process import Process


class ProcessOrigin(Process):
    """Runs this file."""

    def __init__(self):
        super().__init__([sys.executable, "-m", "lib.process_origin"],
                         cwd=__file__.rsplit("/", 2)[0])

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)


async def serve(reader, writer):
    """Request after request, with a moment of work for each."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            _, found, rest = head.partition(b"content-length:")
            length = int(rest.split(b"\r\n", 1)[0]) if found else 0
            await reader.readexactly(length)
            await asyncio.sleep(0.002)
            body = b"%d" % length
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
