import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenod_server.domain.uri import shown


@pytest.mark.parametrize(
    ("uri", "visible"),
    [
        ("https://host/a/b.wav", "https://host/a/b.wav"),
        ("https://host:8443/b.wav?X-Amz-Signature=s3cret#s3cret", "https://host:8443/b.wav"),
        ("https://ann:s3cret@host/b.wav", "https://host/b.wav"),
        ("https://ann:s3cret@other@host/b.wav", "https://host/b.wav"),
        ("https://[2001:db8::1]:80/b@c.wav", "https://[2001:db8::1]:80/b@c.wav"),
        ("s3://bucket/a b.wav", "s3://bucket/a b.wav"),
        ("file:///srv/a.wav", "file:///srv/a.wav"),
        ("https://ann:s3/cret@host/b", "https://…"),
        ("https://ann:s3?cret@host/b", "https://…"),
        ("https://ann:s3\\cret@host/b", "https://host/b"),
        ("http:ann:s3cret@host", "http:…"),
        ("s3cret", "s3cret:…"),
        ("", ":…"),
    ],
)
def test_only_the_place_is_shown(uri: str, visible: str) -> None:
    assert shown(uri) == visible


@given(user=st.text(st.characters(exclude_characters="/?#")), query=st.text())
def test_neither_user_nor_query_is_ever_shown(user: str, query: str) -> None:
    text = shown(f"https://{user}:S3CRET@host/path?{query}S3CRET#S3CRET")
    assert text in {"https://host/path", "https://…"}


@given(st.text())
def test_any_text_can_be_shown(text: str) -> None:
    assert shown(shown(text)) is not None
