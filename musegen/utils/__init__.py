"""Helpers that know no music: files, processes, hashing, SVG, optional packages."""
