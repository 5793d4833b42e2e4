"""One module per system that is measured; each is run as `python -m bench.systems.NAME` and speaks `bench.protocol`."""
