"""The dialect of OpenAI's audio API: recordings in a form, answered when they are transcribed.

`routes` are its endpoints, `fields` what becomes of each field of a form, `request` what a form asks for, `responses`
and `events` the answers in each format, `dialect` its errors. Imports no other dialect.
"""

from stenod_server.rest.openai.routes import openai

__all__ = ["openai"]
