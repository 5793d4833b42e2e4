"""One package per model family: its graphs, its tokenizer, its runtime."""
