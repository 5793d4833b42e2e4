"""From attention to word times. Pure numpy."""
