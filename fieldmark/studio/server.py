"""Serves the studio until it is stopped."""

import logging
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from fieldmark.app.jobs.demo import Demo
from fieldmark.errors import InputError
from fieldmark.studio.access import Access, read_key
from fieldmark.studio.application import make_studio
from fieldmark.studio.desk import Desk
from fieldmark.studio.shelf import RunShelf
from fieldmark.studio.talking import TalkProcesses
from fieldmark.tools.images.small import SmallCopies

BACKLOG = 128
STOP_S = 2
"""How long pages that are being sent may take when the server stops, in seconds."""


def serve(
    *,
    host: str,
    port: int,
    token: str | None,
    home: Path,
    runs: Path,
    ready: Callable[[str], None],
    demo: Demo | None = None,
) -> None:
    """Serve the studio until Ctrl-C.

    Args:
        host: Address to listen on.
        port: Port; 0 takes a free one.
        token: What visitors must show; needed where others than this machine can reach the address.
        home: Where concepts, small pictures and the studio's key are kept.
        runs: Where run folders are.
        ready: Called with the studio's address once it answers there.
        demo: What a newcomer finds, if this is the demo.

    Raises:
        InputError: It cannot listen there, or a token is needed or cannot be used.
    """
    own = home / "studio"
    # Before the key is made: rules that cannot hold leave nothing behind.
    Access(key=b"", host=host, token=token)
    access = Access(key=read_key(own), host=host, token=token)
    pictures = SmallCopies(own / "pictures")
    desk = Desk(access=access, runs=RunShelf(runs), pictures=pictures, home=home, demo=demo)
    with _listening(host, port) as listener:
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        config = uvicorn.Config(
            make_studio(desk),
            log_level="error",
            access_log=False,  # it would write down addresses, and one of them holds the token
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=STOP_S,
        )
        taken = listener.getsockname()[1]
        name = f"[{host}]" if ":" in host else host
        server = _Server(config, lambda: ready(f"http://{name}:{taken}/"))
        try:
            server.run(sockets=[listener])
        finally:
            TalkProcesses(home).rest()


class _Server(uvicorn.Server):
    """Uvicorn's server, which says when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self._ready()


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        InputError: It cannot.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise InputError(
            f"The studio cannot listen on {host}, port {port}: {error.strerror or error}.",
            hint="Choose another port; 0 takes a free one.",
            field="port",
        ) from error
    return listener
