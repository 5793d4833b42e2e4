import pytest

from stenod_server.cli.output_name import output_stem


@pytest.mark.parametrize(
    ("file", "stem"),
    [
        ("-", "stdin"),
        ("x/a.b.mp3", "a.b"),
        ("what?.mp3", "what?"),
        ("https://h/a.mp3?x=1", "a"),
        ("https://h/b/a.mp3?x=https://i/c.mp3&sig=/d", "a"),
        ("https://h/a.mp3#t=1/2", "a"),
        ("s3://bucket/in/a.mp3", "a"),
        ("https://user:secret@h", "media"),
        ("https://h/?sig=secret", "media"),
    ],
)
def test_the_stem_is_that_of_the_file_or_of_the_path_of_the_address(file: str, stem: str) -> None:
    assert output_stem(file) == stem
