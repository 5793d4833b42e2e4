"""From a media file to windows of speech: decode, find speech, cut. Synchronous CPU work in worker processes.

`pool.AudioWorkerPool` is the adapter the server holds; `worker` is what runs inside a process of it; `front_end` is
the whole path without processes. Imports nothing above `ports`; only `decode` imports av, only `vad` onnxruntime.
"""
