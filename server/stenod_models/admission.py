"""What of a call reaches a family's networks: options that its profile offers, and windows that are neither too long,
nor cancelled, nor silent.
"""

from collections.abc import Callable, Sequence

from stenod_models.contract import Profile, RecognitionOptions
from stenod_models.recogniser import Int16Audio, Recognition


def check_options(options: RecognitionOptions, profile: Profile) -> None:
    """Raises ValueError for a task, a beam, a prompt or a bias that the profile does not offer."""
    if options.task not in profile.tasks:
        raise ValueError(f"task {options.task!r}: {profile.model} offers {', '.join(profile.tasks)}")
    if options.beam_size > profile.max_beam_size:
        raise ValueError(
            f"beam_size {options.beam_size}: {profile.model} searches with at most {profile.max_beam_size}"
        )
    if options.prompt and not profile.takes_prompt:
        raise ValueError(f"prompt: {profile.model} takes none")
    if options.mark_bias and not profile.takes_mark_bias:
        raise ValueError(f"mark_bias: {profile.model} takes none")


def check_lengths(windows: Sequence[Int16Audio], profile: Profile) -> None:
    """Raises ValueError for a window that is longer than the last bucket."""
    longest = profile.length_buckets_samples[-1]
    if any(len(window) > longest for window in windows):
        raise ValueError(f"a window is longer than {longest} samples")


def recognise_audible(
    windows: Sequence[Int16Audio],
    recognise: Callable[[Sequence[Int16Audio], Callable[[int], bool]], list[Recognition | None]],
    *,
    is_audible: Callable[[Int16Audio], bool],
    silence: Recognition,
    is_cancelled: Callable[[int], bool],
) -> list[Recognition | None]:
    """A result for each window: None where it is cancelled, `silence` where nothing is to be heard, else what
    `recognise` gives for it. That gets the audible windows and whether each of them is cancelled meanwhile.
    """
    wanted = [index for index in range(len(windows)) if not is_cancelled(index)]
    results: list[Recognition | None] = [None] * len(windows)
    for index in wanted:
        results[index] = silence
    # Longest first: a batch sheds finished rows from its end.
    audible = sorted((index for index in wanted if is_audible(windows[index])), key=lambda index: -len(windows[index]))
    if audible:
        found = recognise([windows[index] for index in audible], lambda row: is_cancelled(audible[row]))
        for index, result in zip(audible, found, strict=True):
            results[index] = result
    return results
