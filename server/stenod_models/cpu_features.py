"""What the CPU can do, where a recogniser's kernels depend on it."""

import platform
from pathlib import Path


def saturates_8bit_products() -> bool:
    """True on x86 without integer dot products (VNNI), where uint8 x int8 sums of pairs overflow 16 bits."""
    if platform.machine() not in {"x86_64", "AMD64"}:
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return True
    return "avx512_vnni" not in flags and "avx_vnni" not in flags
