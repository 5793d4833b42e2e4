"""Which IP addresses may be connected to: public ones, and those that the operator opens (`fetch_allow`). Pure."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network

# IANA's special-purpose registries, spelt out: what the standard library calls global differs between its versions.
_CLOSED: Final[Sequence[tuple[IpNetwork, str]]] = tuple(
    (ip_network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", "an unspecified address"),
        ("10.0.0.0/8", "a private address"),
        ("100.64.0.0/10", "a carrier-grade NAT address"),
        ("127.0.0.0/8", "a loopback address"),
        ("168.63.129.16/32", "a cloud metadata address"),  # Azure's, in the midst of public ones
        ("169.254.0.0/16", "a link-local or cloud metadata address"),
        ("172.16.0.0/12", "a private address"),
        ("192.0.0.0/24", "a protocol address"),
        ("192.0.2.0/24", "a documentation address"),
        ("192.88.99.0/24", "a tunnel address"),
        ("192.168.0.0/16", "a private address"),
        ("198.18.0.0/15", "a benchmark address"),
        ("198.51.100.0/24", "a documentation address"),
        ("203.0.113.0/24", "a documentation address"),
        ("224.0.0.0/4", "a multicast address"),
        ("255.255.255.255/32", "the broadcast address"),
        ("240.0.0.0/4", "a reserved address"),
        ("::/128", "an unspecified address"),
        ("::1/128", "a loopback address"),
        ("::/96", "an IPv4-compatible address"),
        ("64:ff9b:1::/48", "a local NAT64 address"),  # where it carries the IPv4 address is the network's own choice
        ("2001::/32", "a tunnel address"),  # Teredo
        ("2001::/23", "a protocol address"),
        ("2001:db8::/32", "a documentation address"),
        ("2002::/16", "a tunnel address"),  # 6to4
        ("3fff::/20", "a documentation address"),
        ("fd00:ec2::254/128", "a cloud metadata address"),
        ("fc00::/7", "a private address"),
        ("fe80::/10", "a link-local address"),
        ("fec0::/10", "a site-local address"),
        ("ff00::/8", "a multicast address"),
    )
)
_UNICAST: Final = IPv6Network("2000::/3")  # all that was ever given out
_NAT64: Final = IPv6Network("64:ff9b::/96")  # how public IPv4 looks in a network that has IPv6 alone


def refusal(address: IpAddress, opened: Sequence[IpNetwork] = ()) -> str:
    """What it is that must not be connected to; empty where it may be. `opened` networks always may."""
    if isinstance(address, IPv6Address) and address.scope_id:
        return "an address with a zone"
    if any(address in network for network in opened):
        return ""
    if (carried := _carried(address)) is not None:
        return refusal(carried, opened)
    for network, kind in _CLOSED:
        if address in network:
            return kind
    return "a reserved address" if address.version == 6 and address not in _UNICAST else ""


def literal(host: str) -> IpAddress | None:
    """The address that a host name is, if it is one in its usual form."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def networks(texts: Sequence[str]) -> tuple[IpNetwork, ...]:
    """The value of `fetch_allow`. Raises ValueError."""
    try:
        return tuple(ip_network(text) for text in texts)
    except ValueError as error:
        message = f"fetch_allow: {error}"
        raise ValueError(message) from error


def _carried(address: IpAddress) -> IPv4Address | None:
    """The IPv4 address that is really connected to."""
    if isinstance(address, IPv4Address):
        return None
    return IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 else address.ipv4_mapped
