"""Frames over a stream socket: the one thing that both sides of the sandbox share besides the wire format."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from typing import Any

from autograder.inside import wire


class Closed(Exception):
    """The other side is gone."""


class Late(Exception):
    """No whole frame came before the deadline."""


class Channel:
    """One end of a stream socket that carries frames.

    `drain` is called with the descriptors in `watch` that have something to read while a frame is awaited, so
    that a process that prints can't block on a full pipe.
    """

    def __init__(
        self,
        sock: socket.socket,
        max_bytes: int,
        watch: tuple[int, ...] = (),
        drain: Callable[[int], bool] | None = None,
    ):
        self.sock = sock
        self.max_bytes = max_bytes
        self._watch = set(watch)
        self._drain = drain
        sock.setblocking(True)

    def send(
        self,
        header: dict[str, Any],
        buffers: list[bytes] | tuple[bytes, ...] = (),
        deadline: float | None = None,
    ) -> None:
        """Send a frame. Raises Closed or Late."""
        data = memoryview(wire.pack(header, buffers))
        try:
            if deadline is None:
                self.sock.sendall(data)
                return
            while data:
                self._wait(select.POLLOUT, deadline)
                data = data[self.sock.send(data[: 1 << 20], socket.MSG_DONTWAIT) :]
        except BlockingIOError:
            self.send_rest(data, deadline)
        except OSError as error:
            raise Closed from error

    def send_rest(self, data: memoryview, deadline: float | None) -> None:
        """Go on after a partial send that would have blocked."""
        while data:
            self._wait(select.POLLOUT, deadline)
            try:
                data = data[self.sock.send(data[: 1 << 16], socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise Closed from error

    def receive(self, deadline: float | None = None) -> tuple[dict[str, Any], list[bytes]]:
        """The next frame. Raises Closed, Late or WireError."""
        prefix = self._exactly(wire.PREFIX.size, deadline)
        header, total = wire.read_prefix(prefix, self.max_bytes)
        return wire.unpack(self._exactly(header, deadline), self._exactly(total, deadline))

    def _exactly(self, n: int, deadline: float | None) -> bytes:
        data = bytearray()
        while len(data) < n:
            if deadline is not None:
                self._wait(select.POLLIN, deadline)
            try:
                piece = self.sock.recv(min(n - len(data), 1 << 20))
            except OSError as error:
                raise Closed from error
            if not piece:
                raise Closed
            data += piece
        return bytes(data)

    def _wait(self, event: int, deadline: float | None) -> None:
        poller = select.poll()
        poller.register(self.sock, event)
        for fd in self._watch:
            poller.register(fd, select.POLLIN)
        while True:
            left = 3600.0 if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise Late
            for fd, _ in poller.poll(left * 1000):
                if fd == self.sock.fileno():
                    return
                if self._drain is not None and not self._drain(fd):
                    self._watch.discard(fd)
                    poller.unregister(fd)

    def close(self) -> None:
        self.sock.close()
