"""How the text of a transcript is written: docs/formatting.md.

Pure: a segment in, a segment or None out. Words keep the times at which they were said, whatever is written for them.
"""

from stenod_server.text.formatting.formatter import Formatter

__all__ = ["Formatter"]
