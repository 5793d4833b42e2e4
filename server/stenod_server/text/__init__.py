"""Renders transcripts as json, json-v2, txt, srt and vtt, segment by segment, so that memory does not grow with the
recording.

Pure and synchronous. Imports `telemetry`, `ports`, `domain` and `errors` alone.
"""
