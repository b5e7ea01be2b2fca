"""Where the server listens: opening the socket, and saying clearly why it could not be opened."""

import errno
import os
import socket
from ipaddress import IPv6Address, ip_address

import attrs

_BACKLOG = 128


@attrs.frozen
class Endpoint:
    """A server's address as clients use it, for example `http://127.0.0.1:8097`."""

    url: str

    @property
    def mcp_url(self) -> str:
        """The address of the MCP server."""
        return f"{self.url}/mcp"


class CannotListen(Exception):
    """The endpoint in the config cannot be opened on this machine: change `endpoints.local`."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        self.host = host
        self.port = port
        super().__init__(f"cannot listen at {host}:{port}: {reason}")


class PortTaken(CannotListen):
    """Another program listens on the port: end it, or choose another port (0 = any free one)."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port, "the port is taken by another program")


def listen(host: str, port: int) -> tuple[socket.socket, Endpoint]:
    """Opens a listening TCP socket, not blocking, closed on exec.

    Args:
        host: an address or a name of this machine; of a name's addresses the first IPv4 one.
        port: 0 = any free one.

    Raises:
        PortTaken: something else listens there.
        CannotListen: any other reason, named.
    """
    if not 0 <= port <= 65535:
        raise CannotListen(host, port, "ports go from 1 to 65535 (0 = any free one)")
    try:
        family, address = _resolve(host, port)
        opened = socket.socket(family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise CannotListen(host, port, str(error)) from error
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(_BACKLOG)
        opened.setblocking(False)
    except OSError as error:
        opened.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(host, port) from error
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise CannotListen(host, port, reason) from error
    return opened, Endpoint(f"http://{_authority(opened)}")


def allowed_hosts(endpoint: Endpoint, configured_host: str) -> frozenset[str]:
    """The `Host` values that mean this server. Another is a web page whose name was rebound to us."""
    authority = endpoint.url.removeprefix("http://")
    port = authority.rpartition(":")[2]
    names = {"127.0.0.1", "localhost", "[::1]", configured_host.lower()}
    hosts = {authority} | {f"{name}:{port}" for name in names}
    return frozenset(hosts | names if port == "80" else hosts)


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    found.sort(key=lambda each: each[0] != socket.AF_INET)
    family, _, _, _, address = found[0]
    return family, (str(address[0]), int(address[1]))


def _authority(opened: socket.socket) -> str:
    host, port = opened.getsockname()[:2]
    address = ip_address(host)
    version6 = isinstance(address, IPv6Address)
    if address.is_unspecified:
        # Listening everywhere is no address to call; agents are on this machine.
        host = "::1" if version6 else "127.0.0.1"
    return f"[{host}]:{port}" if version6 else f"{host}:{port}"
