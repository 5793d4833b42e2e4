"""How many nodes a load needs, how long its jobs wait and what it costs, from what a node was measured to do.

Pure, like `domain/`: no I/O, no clock. Imports `errors` alone.
"""
