"""Convert a `Score` to MIDI files, objects of other libraries, sound and tables.

These modules stand below `Score`, which delegates to them; they import it for annotations only.
"""
