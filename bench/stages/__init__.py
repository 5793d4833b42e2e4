"""Where the processor time of an hour of speech goes, stage by stage, and how near each stage is to what the machine
can do. Everything is seen from outside: the library's functions are timed as they are called, the service's processes
by their clocks and by a sampling profiler.
"""
