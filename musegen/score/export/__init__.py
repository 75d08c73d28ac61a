"""Writes a `Score` to MIDI files, objects of other libraries, sound and tables; knows `Score` as a type alone."""
