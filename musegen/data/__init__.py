"""Training data: token store, splits, corpora, piano rolls, augmentation, novelty index."""
