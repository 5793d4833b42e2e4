"""The HTTP dialects: thin translations of what other systems' clients say onto the scheduler that the gRPC API uses.

`app` builds the FastAPI application, `server` runs it, `call` is around every request as `rpc.interceptors` is around
every RPC; each dialect has a module or package of its own and imports no other.
"""
