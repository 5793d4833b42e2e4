"""Every setting of a node, and where its value comes from. Read once, at start.

Imports nothing that does work: options of the parts below, and `domain`.
"""

from stenod_server.settings.node_settings import Settings, load

__all__ = ["Settings", "load"]
