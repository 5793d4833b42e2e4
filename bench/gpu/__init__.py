"""What a GPU does with the large models: speed, batches realised, busy share, against a reference and the roofline."""
