"""The nouns and rules of stenod: jobs, transcripts, audio lengths, order, capacity.

Pure: no asyncio, no I/O, no clock (time is an argument). Imports `errors` alone.
"""
