"""Convert music to tokens and back: the vocabulary, the two encodings, grammars, context, reports.

================  ==================================================================================
module            contents
================  ==================================================================================
`encoder`         `Encoder`, the public interface
`vocabulary`      events ↔ tokens, and the order in which kinds of events may follow each other
`metric`          bars, positions and durations, for composed music
`performance`     note-ons, note-offs and 10 ms time shifts, for recorded playing
`bundle`, `rows`  many scores as one set of columns, and the operations on their rows
`bulk`            many files at once
`normalise`       pickups and articulation gaps
`grammar`         the tokens that may come next
`context`         features that a network receives with each token
`gaps`            bars that a network fills, given what precedes and follows them
`report`          what an encoding loses on a piece
================  ==================================================================================
"""
