"""A browser's half of Streamlit's WebSocket protocol, without the browser: opens a page, asks for reruns, times them.

Messages are protobuf (BackMsg up, ForwardMsg down) on `/_stcore/stream`, as the installed Streamlit defines them.
"""

import asyncio
import socket
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

FINISHED, FINISHED_WITH_COMPILE_ERROR, FINISHED_EARLY = 0, 1, 2


class PageFailed(Exception):
    """The page did not run to its end, or showed an exception."""


@dataclass
class Page:
    """One open tab. `cookies` go with the connection; `path` is the page's path without the slash, `query` its query string."""

    url: str
    path: str = ""
    query: str = ""
    cookies: dict[str, str] = field(default_factory=dict)
    locale: str = "ru-RU"
    time_zone: str = "Europe/Moscow"
    received: list[ForwardMsg] = field(default_factory=list)
    """What the last run sent."""
    bytes_received: int = 0
    _kept: dict[str, ForwardMsg] = field(default_factory=dict)
    _script: str = ""

    async def open(self) -> float:
        """Connect and run the page for the first time. Returns seconds."""
        parts = urlsplit(self.url)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}
        began = time.perf_counter()
        self._socket = await websockets.connect(
            f"ws://{parts.netloc}/_stcore/stream",
            subprotocols=["streamlit"],
            origin=f"{parts.scheme}://{parts.netloc}",
            additional_headers=headers,
            max_size=None,
            compression=None,
            ping_interval=None,
        )
        await self.run(page_name=self.path)
        return time.perf_counter() - began

    async def run(self, *, page_name: str = "", within: float = 120) -> float:
        """Ask for a full run and wait until it has finished. Returns seconds. Raises PageFailed."""
        message = BackMsg()
        wish = message.rerun_script
        wish.query_string, wish.page_script_hash, wish.page_name = self.query, self._script, page_name
        wish.context_info.timezone, wish.context_info.locale = self.time_zone, self.locale
        wish.context_info.url = f"{self.url}/{self.path}"
        self.received = []
        began = time.perf_counter()
        await self._socket.send(message.SerializeToString())
        while not await self._take(within):
            pass
        took = time.perf_counter() - began
        shown = [message.delta.new_element for message in self.received if message.WhichOneof("type") == "delta"]
        failed = [element.exception.message for element in shown if element.WhichOneof("type") == "exception"]
        if failed:
            raise PageFailed(f"/{self.path}: {failed[0]}")
        return took

    async def _take(self, within: float) -> bool:
        """Take one message; True when it says that the run is over."""
        self._acknowledge_at_once()
        raw = await asyncio.wait_for(self._socket.recv(), within)
        assert isinstance(raw, bytes)
        self.bytes_received += len(raw)
        message = ForwardMsg()
        message.ParseFromString(raw)
        if message.WhichOneof("type") == "ref_hash":
            message = self._kept.get(message.ref_hash, message)
        elif message.hash:
            self._kept[message.hash] = message
        self.received.append(message)
        match message.WhichOneof("type"):
            case "new_session":
                self._script = message.new_session.page_script_hash or self._script
            case "navigation":
                self._script = message.navigation.page_script_hash
            case "script_finished":
                if message.script_finished == FINISHED_WITH_COMPILE_ERROR:
                    raise PageFailed(f"/{self.path} does not compile")
                return message.script_finished == FINISHED
        return False

    def _acknowledge_at_once(self) -> None:
        """Else the kernel may hold an acknowledgement back for 40 ms, and the server its next small message until then."""
        raw = self._socket.transport.get_extra_info("socket")
        if raw is not None and hasattr(socket, "TCP_QUICKACK"):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def elements(self) -> list[str]:
        """The kinds of the elements of the last run."""
        deltas = [message.delta for message in self.received if message.WhichOneof("type") == "delta"]
        return [delta.new_element.WhichOneof("type") or "" for delta in deltas if delta.WhichOneof("type") == "new_element"]

    async def close(self) -> None:
        await self._socket.close()
