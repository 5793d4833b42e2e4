"""Unmodified clients of other systems and what each must be able to do here.

A caller (`speechmatics`, `openai`, `node`, `printed_curl`) uses one client; the cells (`speechmatics_cells`,
`openai_cells`) are what is asked of all callers of a dialect, at the servers of an `arena`. tests/proofs/clients.py
runs all of them, tests/e2e/test_speechmatics_node.py those that `make test` has nowhere else.
"""
