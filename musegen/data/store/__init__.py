"""The token store: folders of music as flat arrays on disk, with what became of every file.

What is in a store's folder:

=====================  ==========================================================================
file                   what it holds
=====================  ==========================================================================
`store.json`           format, encoder and its vocabulary's fingerprint, split settings, totals
`shards/00000.npy`     tokens, `uint16[...]`, one piece after the other
`shards/00000.npz`     of each file in the shard: its identity (a hash of path, size and time of
                       change), the SHA-256 of its content, what became of it, and of a piece the
                       lengths, the signature, the melody and the tracks
`index.npz`            of every file, in order: what became of it, where it is, group, part of split
`report.tsv`           the same for people
=====================  ==========================================================================

A shard is never changed. A run adds shards of what is new, and writes the index anew from what the
shards say of the files that are there. Content that is in a shard already is not encoded again,
wherever its file lies. Files that are gone, or in folders that a run is not given, leave their
tokens behind; `--force` starts anew.
"""

from musegen.data.store.ingesting import MAX_TOKENS, ingest
from musegen.data.store.settings import is_store, read_settings
from musegen.data.store.store import Store

__all__ = ["MAX_TOKENS", "Store", "ingest", "is_store", "read_settings"]
