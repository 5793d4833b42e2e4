"""Which IP addresses may be connected to."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenod_server.fetch import addresses
from stenod_server.fetch.addresses import refusal

CLOSED = {
    "unspecified": ("0.0.0.0", "0.1.2.3", "::"),
    "loopback": ("127.0.0.1", "127.255.255.254", "::1"),
    "private": ("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.255.1", "fc00::1", "fd12:3456::1"),
    "metadata": ("169.254.169.254", "168.63.129.16", "fd00:ec2::254", "::ffff:169.254.169.254"),
    "link-local": ("169.254.0.1", "fe80::1", "febf::1"),
    "site-local": ("fec0::1",),
    "NAT": ("100.64.0.1", "100.100.100.200", "100.127.255.255", "64:ff9b:1::1", "64:ff9b:1:ffff::808:808"),
    "protocol": ("192.0.0.192", "2001:2::1", "2001:10::1"),
    "documentation": ("192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"),
    "benchmark": ("198.18.0.1", "198.19.255.255"),
    "multicast": ("224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"),
    "broadcast": ("255.255.255.255",),
    "reserved": ("240.0.0.1", "100::1", "1::1", "4000::1", "5f00::1", "::ffff:0:808:808", "fe00::1"),
    "IPv4-compatible": ("::127.0.0.1", "::8.8.8.8"),
    "tunnel": ("2002:7f00:1::", "2002:808:808::1", "2001:0:808:808::1", "192.88.99.1"),
    "zone": ("fe80::1%eth0", "2606:4700::1%1"),
}
CARRIED = ("::ffff:127.0.0.1", "::ffff:7f00:1", "64:ff9b::127.0.0.1", "64:ff9b::a00:1", "::ffff:10.0.0.1")
PUBLIC = (
    "1.1.1.1",
    "8.8.8.8",
    "172.15.255.255",
    "172.32.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "169.253.1.1",
    "192.0.1.1",
    "223.255.255.255",
    "2001:4860:4860::8888",
    "2606:4700:4700::1111",
    "2003::1",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
)


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in CLOSED.items() for text in texts])
def test_what_is_not_public_is_closed(kind: str, text: str) -> None:
    assert kind in refusal(ip_address(text))


@pytest.mark.parametrize("text", CARRIED)
def test_an_ipv4_address_in_an_ipv6_one_is_judged_itself(text: str) -> None:
    assert refusal(ip_address(text)) == refusal(IPv4Address(int(ip_address(text)) & 0xFFFF_FFFF)) != ""


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_are_open(text: str) -> None:
    assert refusal(ip_address(text)) == ""


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_is_open_that_the_standard_library_knows_better(address: IPv4Address) -> None:
    known = address.is_private or address.is_multicast or address.is_reserved or address.is_link_local
    assert refusal(address) or not known
    assert refusal(IPv6Address(f"::ffff:{address}")) == refusal(address)
    assert refusal(IPv6Address(f"64:ff9b::{address}")) == refusal(address)


@given(st.ip_addresses(v=6))
def test_no_ipv6_address_is_open_that_the_standard_library_knows_better(address: IPv6Address) -> None:
    if address.ipv4_mapped is None and address not in ip_network("64:ff9b::/96"):
        assert refusal(address) or (address.is_global and not address.is_multicast)


def test_the_operator_opens_networks_and_nothing_beside_them() -> None:
    opened = addresses.networks(("10.1.0.0/16", "fd00:1::/32"))
    for text in ("10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "fd00:1::5", "8.8.8.8"):
        assert refusal(ip_address(text), opened) == ""
    for text in ("10.2.0.1", "::ffff:10.2.0.1", "fd00:2::5", "127.0.0.1"):
        assert refusal(ip_address(text), opened)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "example.com", "10.0.0.0/33", ""])
def test_a_network_that_is_none_names_the_setting(text: str) -> None:
    with pytest.raises(ValueError, match="fetch_allow: "):
        addresses.networks((text,))
