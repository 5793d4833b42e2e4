"""Fetches media from where a job says it is: the web, object stores, files; never from where it must not.

May use ports, domain and errors.
"""
