"""A backend as a process of its own, so that it can be killed and frozen like any other; what else
goes wrong with it is told on its standard input, a word a line:

    well        answers at once
    slow        answers after three seconds
    hang        never answers
    half        ends the connection within the head of its answer
    reset       resets the connection instead of answering
    garbage     answers with what is no HTTP
    ailing      answers 503
    deaf        does not listen any more, and ends what is open
"""
import asyncio
import socket
import struct
import sys

BODY = b"well"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
AILING = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


class Backend:
    """Everything is in one thread; `how` is the word that was told last."""

    def __init__(self):
        self.how, self.server, self.port = "well", None, 0
        self.writers = set()

    async def listen(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", self.port, backlog=1024)
        self.port = self.server.sockets[0].getsockname()[1]

    async def change(self, how):
        self.how = how
        if how == "deaf" and self.server:
            self.server.close()
            self.server = None
            for writer in list(self.writers):
                writer.close()
        elif how != "deaf" and not self.server:
            await self.listen()

    async def serve(self, reader, writer):
        self.writers.add(writer)
        try:
            while await self.answer(reader, writer):
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()

    async def answer(self, reader, writer):
        """One request; whether the connection goes on."""
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        how = self.how
        if how == "slow":
            await asyncio.sleep(3)
        elif how == "hang":
            await asyncio.sleep(3600)
        elif how == "reset":
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        answers = {"half": ANSWER[:20], "garbage": b"no HTTP at all\r\n\r\n", "ailing": AILING}
        writer.write(answers.get(how, ANSWER))
        body = b"\r\ncontent-length:" in head or b"\r\ntransfer-encoding:" in head
        return how not in ("half", "garbage") and not body  # a body is not read


async def main():
    backend = Backend()
    await backend.listen()
    print(backend.port, flush=True)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while True:
        line = await commands.readline()
        if not line:
            return
        await backend.change(line.decode().strip())
        print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
