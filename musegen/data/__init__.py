"""Training data: the token store, pieces by split, corpora, piano rolls, augmentation, and the novelty index."""
