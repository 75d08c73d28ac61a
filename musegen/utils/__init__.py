"""Helpers that know no music: files, processes, hashing, optional packages."""
