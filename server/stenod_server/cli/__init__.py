"""The `stenod` command: one file for each subcommand.

Commands that talk to a server use the client package, like anybody else. What is heavy (gRPC, pydantic, Triton) is
imported inside the command that needs it, so that `--help` answers at once.
"""
