"""What a recogniser runs before its first request."""

import numpy as np

from stenod_models.contract import Profile
from stenod_models.recogniser import Int16Audio


def warming_batches(profile: Profile) -> list[list[Int16Audio]]:
    """Noise as long as each bucket, one window at a time, and then a full batch of the shortest."""
    buckets = profile.length_buckets_samples
    noise = np.random.default_rng(0).normal(0, 300, buckets[-1]).astype(np.int16)
    return [*([noise[:bucket]] for bucket in buckets), [noise[: buckets[0]]] * profile.max_batch_size]
