"""What an operator sees: Prometheus metrics and structured logs. Never a transcript, never a secret, never a job id in
a label.
"""
