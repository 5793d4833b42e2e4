"""Numbers of messages as they were written."""


def as_decimal(value: float) -> float:
    """A `float` of a message as it was written: those have 24 bits, and 0.7 of them is none of ours."""
    return float(f"{value:.7g}")
