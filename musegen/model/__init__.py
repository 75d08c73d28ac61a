"""Networks: the Keras model, the same in NumPy, checkpoints, n-grams, and the likelihood of tokens."""
