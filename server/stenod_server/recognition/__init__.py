"""One job end to end: windows of a recording in, segments of a transcript out, in memory that does not grow with its
length. `pipeline` drives, `stitch` places words, `guard` finds what a recogniser invented.

Knows nothing of states, queues or stores: segments leave through a sink, engines come from whoever runs it. May import
what is to the right of it, `engine | store` on.
"""
