"""N-gram language models of words, read from ARPA files, and their part in a beam search. Numpy only."""
