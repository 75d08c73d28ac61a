"""Fit a model to pieces with `keras.Model.fit`; only `distributed` is tied to one backend.

Read in this order: `feeding` and `infilling` (batches), `carrying` (state from window to window),
`networks`, `optimizing` (clipping, learning rate), `recording` and `resuming` (what is kept),
`distributed` (several processes), `fitting`, `held_out` (evaluation), `train`. `runs` and `curves`
find runs on disk and draw their curves, without Keras.
"""
