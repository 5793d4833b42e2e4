"""BCP-47 tags of languages, as callers write them."""


def primary_subtag(tag: str) -> str:
    """The language alone, in lower case: `de` of `de-AT` and `DE_at`."""
    return tag.lower().replace("_", "-").split("-")[0]
