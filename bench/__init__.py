"""Side-by-side benchmarks: the service, the bare recogniser and peers, on the same recordings in one run.

`python -m bench` (or `make bench`) prints the table. Each system runs in a process of its own (`systems/`), one at a
time, and speaks `protocol`. What runs in the peers' environment imports only the standard library, psutil and PyAV.
"""
