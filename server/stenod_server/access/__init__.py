"""Who a caller is and what it may do: API keys, client certificates, JSON Web Tokens, the TLS they come over, the door
that every call of every transport goes through, and the log of who did what.

May use telemetry, ports, domain and errors; knows no transport.
"""
