"""English numbers, amounts, dates and times as people write them: one rule a file, composed in `numerals`."""
