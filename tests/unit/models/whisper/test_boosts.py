import numpy as np

from stenod_models.contract import Hotword
from stenod_models.decoding.phrase_book import PhraseBook
from stenod_models.families.whisper.boosts import Favour, Noise, together
from stenod_models.families.whisper.spelling import token_texts
from stenod_models.families.whisper.vocabulary import Vocabulary
from tests.support.whisper_checkpoints import tokens

LISTED = tokens()
SIZE = len(LISTED)
VOCABULARY = Vocabulary(LISTED, multilingual=True)
WINDOWS = [np.full(2000, level, np.int16) for level in (1, 2, 3)]
ANY = np.zeros(3, np.int64)


def test_noise_depends_on_the_window_alone() -> None:
    batch, mate = Noise(WINDOWS, 0.4, SIZE), Noise(WINDOWS[1:2], 0.4, SIZE)
    for rows in (3, 2, 2):
        assert np.array_equal(batch(ANY[:rows])[1], mate(ANY[:1])[0])


def test_noise_differs_between_windows_steps_and_temperatures() -> None:
    noise = Noise(WINDOWS, 0.4, SIZE)
    first, second = noise(ANY), noise(ANY)
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first, second)
    assert not np.allclose(Noise(WINDOWS, 0.8, SIZE)(ANY), 2 * first)
    assert first.dtype == np.float32


def test_the_largest_sum_with_noise_is_a_sample() -> None:
    """Of three tokens with shares 0.6, 0.3 and 0.1, at temperature 1."""
    noise = Noise(WINDOWS[:1], 1.0, 3)
    scores = np.log([0.6, 0.3, 0.1])
    drawn = [int((scores + noise(ANY[:1])[0]).argmax()) for _ in range(4000)]
    assert np.allclose(np.bincount(drawn, minlength=3) / 4000, [0.6, 0.3, 0.1], atol=0.03)


def test_a_phrase_is_favoured_token_by_token() -> None:
    phrase = (Hotword("the lobster", boost=3.0),)
    book = PhraseBook(token_texts(VOCABULARY, SIZE), lambda text: (VOCABULARY.encode(text),))
    favour = Favour(book.trie_of(phrase), SIZE)
    spelled = VOCABULARY.encode("the lobster")
    assert favour(np.array([0, 0]))[:, spelled[0]].tolist() == [3.0, 3.0]
    boosts = favour(np.array([spelled[0], LISTED.index("Ġs")]))
    assert boosts[0, spelled[1]] == 3.0
    assert boosts[1, spelled[2]] == 0.0
    assert favour(np.array([spelled[1]]))[0, spelled[2]] == 3.0


def test_what_is_added_is_the_sum() -> None:
    assert together([]) is None
    one = together(
        [lambda rows: np.ones((len(rows), 2), np.float32), lambda rows: np.full((len(rows), 2), 2, np.float32)]
    )
    assert one is not None
    assert one(ANY).tolist() == [[3.0, 3.0]] * 3
