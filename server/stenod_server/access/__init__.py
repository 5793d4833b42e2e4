"""Who a caller is: API keys, client certificates, JSON Web Tokens, and the TLS they come over.

May use ports, domain and errors; knows no transport.
"""
