"""A language model of the operator's own for a recogniser: into its entry, so that it goes wherever that goes."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from stenod_models.contract import AUTO_LANGUAGE, Profile, RecognitionOptions
from stenod_models.export.entries import put_in_place, record_of, revision_of, write_record
from stenod_models.export.errors import ModelBuildError
from stenod_models.export.hub import sha256_of, told
from stenod_models.export.pbtxt import profile_of, set_revision
from stenod_models.export.wav_files import read_16khz
from stenod_models.language_model.arpa import read_arpa
from stenod_models.language_model.beside import NAME, TAKEN_BY, USE_NAME, ZIPPED_NAME, write_use
from stenod_models.language_model.fusion import LanguageModelUse

_GPU: Final = "cuda"  # of a record: built for it, and not to be tried without one
_GZIP: Final = b"\x1f\x8b"
_MOST_WRONG_RATIO: Final = (
    0.2  # of the canary's words: a server does not take a recogniser that hears more of them wrong
)

Report = Callable[[str, float], None]


def set_language_model(
    name: str, models_dir: Path, file: Path, use: LanguageModelUse, *, progress: Report = lambda _phase, _done: None
) -> bool:
    """Have the recogniser `models_dir/name` search with the ARPA model `file` (gzipped or not); False where it does.

    The entry changes as a whole, once the recogniser with it has understood its canary; a server loads it at its next
    start. Blocks for as long as the model takes to be read.

    Raises ModelBuildError: there is no such recogniser, its family takes none, the beam is wider than its widest, the
    file is no ARPA model, or the recogniser no longer understands its canary.
    """
    entry = models_dir / name
    profile = _checked(entry, use)
    try:
        wanted = {"file": file.name, "sha256": sha256_of(file), **asdict(use)}
        if (record_of(entry) or {}).get("language_model") == wanted:
            return False
        progress("copying", 0.1)
        with _changed(entry) as scratch:
            version = _version(scratch)
            copy = version / (ZIPPED_NAME if _is_zipped(file) else NAME)
            shutil.copyfile(file, copy)
            write_use(version, use)
            progress("trying it", 0.3)
            _read(copy, file)
            _try(scratch, profile)
            _finish(scratch, wanted)
    except OSError as error:
        raise ModelBuildError(f"{file} could not be set for {name}: {told(error)}") from error
    progress("ready", 1.0)
    return True


def remove_language_model(name: str, models_dir: Path) -> bool:
    """Have the recogniser search without one again; False where it does. Raises ModelBuildError."""
    entry = models_dir / name
    if not (entry / "config.pbtxt").is_file():
        raise ModelBuildError(f"there is no model {name} in {models_dir}")
    if not any((_version(entry) / file).is_file() for file in (NAME, ZIPPED_NAME)):
        return False
    try:
        with _changed(entry) as scratch:
            _finish(scratch, None)
    except OSError as error:
        raise ModelBuildError(f"the language model of {name} could not be removed: {told(error)}") from error
    return True


@contextmanager
def _changed(entry: Path) -> Iterator[Path]:
    """A copy of an entry, without a language model, to be changed; then put in its place. What is large is linked."""
    scratch = Path(tempfile.mkdtemp(dir=entry.parent, prefix=f".{entry.name}."))
    left_out = shutil.ignore_patterns("__pycache__", NAME, ZIPPED_NAME, USE_NAME)
    try:
        shutil.copytree(entry, scratch, ignore=left_out, copy_function=_linked, dirs_exist_ok=True)
        yield scratch
        put_in_place(scratch, entry)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _linked(source: str, target: str) -> None:
    """What is written again is copied: a link would change the original."""
    if Path(source).suffix in {".json", ".pbtxt"}:
        shutil.copy2(source, target)
    else:
        os.link(source, target)


def _checked(entry: Path, use: LanguageModelUse) -> Profile:
    if not (entry / "config.pbtxt").is_file():
        raise ModelBuildError(f"there is no model {entry.name} in {entry.parent}: add it first")
    profile = profile_of(entry / "config.pbtxt")
    if profile.family not in TAKEN_BY:
        takers = " and ".join(sorted(TAKEN_BY))
        raise ModelBuildError(f"{entry.name} is of the family {profile.family}: language models are for {takers}")
    if use.beam_size > profile.max_beam_size:
        raise ModelBuildError(f"beam size {use.beam_size}: {entry.name} searches with at most {profile.max_beam_size}")
    return profile


def _finish(scratch: Path, language_model: dict[str, Any] | None) -> None:
    """Let the entry say what it is now: no transcript of what it was before is used again for it."""
    set_revision(scratch / "config.pbtxt", revision_of(scratch))
    record = {key: value for key, value in (record_of(scratch) or {}).items() if key != "language_model"}
    if language_model is not None:
        record["language_model"] = language_model
    if record:
        write_record(scratch, record)


def _read(copy: Path, file: Path) -> None:
    try:
        read_arpa(copy)
    except (ValueError, EOFError) as error:
        raise ModelBuildError(f"{file} is no ARPA model: {error}") from error


def _try(scratch: Path, profile: Profile) -> None:
    if not (scratch / "canary.wav").is_file() or (record_of(scratch) or {}).get("device") == _GPU:
        return
    from stenod_models.families.registry import load_recogniser  # noqa: PLC0415 - ONNX Runtime is slow to import

    recogniser = load_recogniser(profile, _version(scratch), threads=0)
    expected = json.loads((scratch / "canary.json").read_text())["words"]
    samples = read_16khz(scratch / "canary.wav")
    (result,) = recogniser.recognise([samples], language=AUTO_LANGUAGE, options=RecognitionOptions())
    heard = [_plain(word.text) for word in (result.words if result else ())]
    wrong = sum(_plain(word) not in heard for word in expected)
    if wrong > _MOST_WRONG_RATIO * len(expected):
        raise ModelBuildError(
            f"with this language model {profile.model} no longer understands its canary: it hears "
            f"{' '.join(heard)!r} instead of {' '.join(expected)!r}; try less weight"
        )


def _plain(word: str) -> str:
    return "".join(filter(str.isalnum, word)).casefold()


def _version(entry: Path) -> Path:
    """The directory that Triton serves: the one with the highest number."""
    versions = [path for path in entry.iterdir() if path.is_dir() and path.name.isdecimal()]
    if not versions:
        raise ModelBuildError(f"{entry} has no version directory")
    return max(versions, key=lambda path: int(path.name))


def _is_zipped(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(_GZIP)) == _GZIP
