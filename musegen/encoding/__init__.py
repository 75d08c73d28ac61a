"""Music ↔ tokens: the vocabulary, the two encodings, their grammar, and what an encoding loses."""
