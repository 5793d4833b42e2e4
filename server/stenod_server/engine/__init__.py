"""Recognition by NVIDIA Triton: the client, the embedded child process, the canary, and a double that only sleeps.

Only this package sees tritonclient. It implements `ports.Engine`, reads the tensor contract from
`stenod_models.contract`, and knows nothing of jobs, of the store or of the transports.
"""
