"""Accompany a primer: assign its tracks to parts of the ensemble, and write the other parts."""
