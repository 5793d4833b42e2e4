"""What is refused at submit, without touching the network: `MediaFetcher.check`."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenod_server.domain.job import RemoteMedia
from stenod_server.errors import FetchRefused, InvalidField, InvalidRequest, LimitExceeded
from stenod_server.fetch.fetcher import UriFetcher, open_fetcher
from stenod_server.fetch.options import FetchOptions
from stenod_server.fetch.request_headers import MAX_HEADERS, MAX_VALUE_CHARACTERS
from stenod_server.fetch.uri_rules import MAX_URI_CHARACTERS

FETCHER = open_fetcher(FetchOptions(file_roots=(Path("/srv/media"),), buckets=("s3://b/calls", "gs://b", "az://c/d/")))


def check(uri: str, *headers: tuple[str, str], fetcher: UriFetcher = FETCHER) -> None:
    fetcher.check(RemoteMedia(uri=uri, headers=headers))


@pytest.mark.parametrize(
    "uri",
    [
        "https://example.com/a.wav?sig=1",
        "HTTP://EXAMPLE.com:9000/a.wav#t=1",
        "https://bücher.example/ä b.wav",
        "https://xn--bcher-kva.example/",
        "https://ann:pw@example.com/",
        "https://a_b.example/",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]:8443/",
        "https://8.8.8.8.example.com/",
        "https://example.com/x@127.0.0.1/",
        "s3://b/calls/a b%20c.wav",
        "gs://b/x",
        "AZ://c/d/x",
        "file:///srv/media/a%20b.wav",
        "file://localhost/srv/media/a.wav",
    ],
)
def test_what_may_be_fetched_passes(uri: str) -> None:
    check(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "x",
        "/x",
        "//h/x",
        "http",
        "http:",
        "http://",
        "http:/h/x",
        "http:127.0.0.1",
        "ftp://h/x",
        "gopher://h/x",
        "data:audio/wav;base64,AA",
        "javascript://h",
        "unix:///run/x.sock",
        "ws://h/x",
        "s3a://b/x",
        "http+unix://x/",
    ],
)
def test_other_schemes_are_refused_by_name_of_those_that_are_not(uri: str) -> None:
    with pytest.raises(InvalidField, match=r"^media\.uri: "):
        check(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "http:///x",
        "http://127.1/",
        "http://0x7f.0.0.1/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://017700000001/",
        "http://0177.0.0.1/",
        "http://127.0.0.1.0/",
        "http://127.000.000.001/",
        "http://256.0.0.1/",
        "http://example.0x7f/",
        "http://localhost./",
        "http://127.0.0.1./",
        "http://a..b/",
        "http://.a/",
        "http://-a/",
        "http://%31%32%37.0.0.1/",
        "http://localhost%00.example.com/",
        "http://[fe80::1%25eth0]/",
        "http://[fe80::1%eth0]/",
        "http://[127.0.0.1]/",
        "http://[::1",
        "http://::1/",
        "http://①②⑦.⓪.⓪.①/",
        "http://\uff11\uff12\uff17.0.0.1/",  # digits of full width
        "http://ⓛocalhost/",
        "http://127.0.0.1\\@example.com/",
        "http:\\\\127.0.0.1\\",
        "http://example.com\t.evil/",
        "http://exa\nmple.com/",
        " http://example.com/",
        "http://example.com/\x7f",
        "http://example.com/\u202e",
        "http://exam\u200bple.com/",
        "http://a b/",
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://example.com:-1/",
        "http://example.com:8o/",
        f"http://{'a' * 64}.example/",
        f"http://{'a.' * 127}ab/",
    ],
)
def test_what_two_readers_could_read_differently_is_refused(uri: str) -> None:
    with pytest.raises(InvalidField, match=r"^media\.uri: ") as failure:
        check(uri)
    assert "127" not in failure.value.message


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1/",
        "http://127。0。0。1/",
        "http://10.0.0.1:8080/",
        "http://example.com@127.0.0.1/",
        "http://example.com:pw@127.0.0.1:80/",
        "http://127.0.0.1#@example.com/",
        "http://127.0.0.1?@example.com/",
        "http://169.254.169.254/latest/meta-data/",
        "http://0.0.0.0/",
        "https://[::1]/",
        "https://[::]/",
        "https://[::ffff:7f00:1]/",
        "https://[0:0:0:0:0:ffff:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
    ],
)
def test_closed_addresses_are_refused_at_once_and_name_the_setting(uri: str) -> None:
    with pytest.raises(FetchRefused, match=r"setting fetch_allow, --fetch-allow\)$") as failure:
        check(uri)
    assert failure.value.metadata["field"] == "media.uri"


@pytest.mark.parametrize(
    "uri",
    [
        "s3://b/calls",
        "s3://b/calls-2/x",
        "s3://b/x",
        "s3://B/calls/x",
        "s3://c/calls/x",
        "gs://b2/x",
        "az://b/x",
        "az://c/x",
    ],
)
def test_objects_outside_the_open_prefixes_are_refused(uri: str) -> None:
    with pytest.raises(FetchRefused, match="fetch_buckets"):
        check(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "s3://b/calls/../x",
        "s3://b/calls/./x",
        "s3://b/calls//x",
        "s3://b//calls/x",
        "s3://b/calls/",
        "s3:///calls/x",
        "s3://u:p@b/calls/x",
        "s3://b:80/calls/x",
        "s3://b/calls/x?versionId=1",
        "s3://b/calls/x#1",
        "s3://../b/calls/x",
    ],
)
def test_object_addresses_that_mean_more_than_they_say_are_refused(uri: str) -> None:
    with pytest.raises(InvalidField, match=r"^media\.uri: "):
        check(uri)


@pytest.mark.parametrize("uri", ["file:///etc/passwd", "file:///srv/media2/x", "file:///srv/x"])
def test_files_outside_the_roots_are_refused(uri: str) -> None:
    with pytest.raises(FetchRefused, match="fetch_file_roots"):
        check(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "file:///srv/media/../x",
        "file:///srv/media/%2e%2e/x",
        "file:///srv/media/a%2f..%2f..%2fx",
        "file://host/srv/media/x",
        "file:///srv/media/x%00",
        "file:///srv/media/x%0a",
        "file:///srv//media/x",
        "file:srv/media/x",
        "file:///",
        "file://",
        "file:///srv/media/x?y",
        "file://127.0.0.1/srv/media/x",
    ],
)
def test_file_addresses_that_mean_more_than_they_say_are_refused(uri: str) -> None:
    with pytest.raises(InvalidField, match=r"^media\.uri: "):
        check(uri)


@pytest.mark.parametrize(
    ("uri", "setting"),
    [("s3://b/k", "fetch_buckets"), ("file:///x", "fetch_file_roots"), ("http://[::1]", "fetch_allow")],
)
def test_by_default_only_the_public_internet_is_open(uri: str, setting: str) -> None:
    with pytest.raises(FetchRefused) as failure:
        check(uri, fetcher=open_fetcher(FetchOptions()))
    assert failure.value.metadata["setting"] == setting


def test_addresses_have_a_greatest_length() -> None:
    uri = "https://example.com/".ljust(MAX_URI_CHARACTERS, "x")
    check(uri)
    with pytest.raises(LimitExceeded, match=r"^media\.uri: more than 4096"):
        check(uri + "x")


def test_headers_that_are_the_callers_business_pass() -> None:
    check("https://h.example/", ("Authorization", "Bearer a.b-c_d=="), ("X-Api-Key", ""), ("Cookie", "a=1; b=2\tc"))


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "CONTENT-LENGTH",
        "Transfer-Encoding",
        "Connection",
        "TE",
        "Upgrade",
        "Proxy-Authorization",
        "Range",
        "If-Range",
        "Accept-Encoding",
        "Expect",
        "Keep-Alive",
        "",
        "a b",
        "a:b",
        "a\r\nb",
        "ä",
        "x" * 129,
    ],
)
def test_headers_that_are_not_are_refused(name: str) -> None:
    with pytest.raises(InvalidField, match=r"^media\.headers: ") as failure:
        check("https://h.example/", ("X-A", "1"), (name, "s3cret"))
    assert "header 2" in failure.value.message
    assert "s3cret" not in failure.value.message


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\0b", "ä", " a", "a ", "\x7f"])
def test_header_values_hold_nothing_but_text(value: str) -> None:
    with pytest.raises(InvalidField, match=r"^media\.headers: the value of header 1"):
        check("https://h.example/", ("X-A", value))


def test_headers_are_limited_in_number_and_length() -> None:
    check("https://h.example/", *(("X-A", "1"),) * MAX_HEADERS)
    with pytest.raises(LimitExceeded, match=r"^media\.headers: more than 16"):
        check("https://h.example/", *(("X-A", "1"),) * (MAX_HEADERS + 1))
    with pytest.raises(LimitExceeded, match=r"^media\.headers: more than 8192"):
        check("https://h.example/", ("X-A", "x" * (MAX_VALUE_CHARACTERS + 1)))


def test_there_is_one_authorization() -> None:
    with pytest.raises(InvalidField, match=r"^media\.headers: authorization"):
        check("https://ann:pw@h.example/", ("authorization", "Bearer x"))


@pytest.mark.parametrize("uri", ["s3://b/calls/x", "file:///srv/media/x"])
def test_headers_go_with_http_alone(uri: str) -> None:
    with pytest.raises(InvalidField, match=r"^media\.headers: "):
        check(uri, ("X-A", "1"))


@pytest.mark.parametrize("bucket", ["media", "http://h/x", "s3://", "s3://b/../c", "s3://b//c", "s3://b?x"])
def test_a_bucket_that_is_none_names_the_setting(bucket: str) -> None:
    with pytest.raises(ValueError, match="fetch_buckets: "):
        open_fetcher(FetchOptions(buckets=(bucket,)))


@given(st.text(), st.sampled_from(["http://", "https://", "s3://", "file://", ""]))
def test_any_text_is_an_address_or_an_invalid_request(text: str, scheme: str) -> None:
    with suppress(InvalidRequest):
        check(scheme + text)
