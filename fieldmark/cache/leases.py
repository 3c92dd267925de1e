"""Claims in Redis: each is a key that expires, and is renewed for as long as its holder lives."""

import logging
import secrets
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from fieldmark.errors import CacheError

_log = logging.getLogger(__name__)

_CLAIM = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
return redis.call('GET', KEYS[1]) == ARGV[1] and 1 or 0
"""
"""Claims; a command that the client repeats, because its first reply was lost, finds its own claim."""
_RENEW = """
local held = redis.call('GET', KEYS[1])
if held == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
if held then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
"""Renews a claim that is ours, and makes it anew where the server lost it; 0 where another has it."""
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class _Server(Protocol):
    """What is used of `redis.Redis`, typed."""

    def eval(self, script: str, numkeys: int, *keys_and_args: bytes | int) -> object: ...


class Leases:
    """The claims of one process.

    A claim lasts `lease_s` seconds from its last renewal; one thread renews all of them, three times in that
    time. So the claim of a process that was killed ends after `lease_s` at most, and a busy process keeps its
    own however long an answer takes. Where a claim is lost all the same (the server was away for longer), a
    question may be asked twice; its answers are both whole.

    Args:
        server: The client.
        translated: Turns the client's errors into `CacheError`.
        lease_s: How long a claim outlives its holder.
    """

    def __init__(
        self, server: object, translated: Callable[[], AbstractContextManager[None]], *, lease_s: float
    ) -> None:
        self._server: _Server = server  # pyright: ignore[reportAttributeAccessIssue]
        self._translated = translated
        self._lease_ms = max(1, int(1000 * lease_s))
        self._held: dict[bytes, bytes] = {}
        self._guard = threading.Lock()
        self._idle = threading.Event()
        self._idle.set()

    @contextmanager
    def claim(self, name: bytes) -> Generator[bool]:
        """Claim a name; the claim is given back at the end. False where it is another's.

        Raises:
            CacheError: The server cannot be asked.
        """
        token = secrets.token_bytes(16)
        with self._translated():
            ours = self._server.eval(_CLAIM, 1, name, token, self._lease_ms) == 1
        if not ours:
            yield False
            return
        self._hold(name, token)
        try:
            yield True
        finally:
            with self._guard:
                self._held.pop(name, None)
                if not self._held:
                    self._idle.set()
            self._quietly(_RELEASE, name, token)

    def _hold(self, name: bytes, token: bytes) -> None:
        with self._guard:
            first = self._idle.is_set()
            self._held[name] = token
            if first:
                self._idle = threading.Event()
                threading.Thread(
                    target=self._renew, args=(self._idle,), name="fieldmark-leases", daemon=True
                ).start()

    def _renew(self, ended: threading.Event) -> None:
        while not ended.wait(self._lease_ms / 3000):
            with self._guard:
                held = list(self._held.items())
            for name, token in held:
                if self._quietly(_RENEW, name, token, self._lease_ms) == 0:
                    _log.info("A claim was lost: a question may be asked twice.")
            with self._guard:
                given_back = [(name, token) for name, token in held if self._held.get(name) != token]
            for name, token in given_back:  # while it was renewed
                self._quietly(_RELEASE, name, token)

    def _quietly(self, script: str, name: bytes, *arguments: bytes | int) -> object:
        """Run a script; where that fails the claim ends by itself."""
        try:
            with self._translated():
                return self._server.eval(script, 1, name, *arguments)
        except CacheError as error:
            _log.info("A claim could not be renewed or given back: %s", error.message)
            return None
