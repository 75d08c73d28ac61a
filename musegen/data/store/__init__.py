"""The token store: folders of music as flat token arrays on disk, with a report on every file.

The files of a store:

=====================  ==========================================================================
file                   content
=====================  ==========================================================================
`store.json`           format, encoder, fingerprint of its vocabulary, split settings, totals
`shards/00000.npy`     tokens, `uint16[...]`, piece after piece
`shards/00000.npz`     for each file of the shard: its identity (a hash of path, size and
                       modification time), the SHA-256 of its content, its status, and of a piece
                       the lengths, the signature, the melody and the tracks
`index.npz`            for each file, in order: status, place in the shards, group, part of split
`report.tsv`           the same for people
=====================  ==========================================================================

A shard never changes. A run adds shards for new files, and then writes the index of all files from
the shards. Content that is in a shard already is not encoded again, wherever its file is now.
Deleted files, and those in folders that are not given again, leave their tokens in the shards;
`--force` starts over.
"""

from musegen.data.store.ingesting import MAX_TOKENS, ingest
from musegen.data.store.settings import is_store, read_settings
from musegen.data.store.store import Store

__all__ = ["MAX_TOKENS", "Store", "ingest", "is_store", "read_settings"]
