"""Networks in Keras and NumPy, checkpoints, n-grams, and the likelihood of tokens.

`interface` says what a network has to offer. `network` builds it in Keras for training, with the
layers of `recurrent` and `arithmetic`. `engine` (NumPy, with `cells`) and `keras_engine` (a GPU)
run it. `checkpoint` reads and writes it, and `likelihood` evaluates it, next to `ngrams`.
"""
