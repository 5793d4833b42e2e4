"""Events of object stores: each object that comes into a bucket becomes a job.

May not import rpc or other dialects but the guide's, whose words for errors it uses.
"""

from stenod_server.rest.events.routes import events

__all__ = ["events"]
