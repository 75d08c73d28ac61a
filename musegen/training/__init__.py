"""Fits a model to pieces, through `keras.Model.fit` and, but for `distributed`, nothing of any one backend.

Read in this order: `feeding` (batches), `carrying` (state from window to window), `optimizing`
(clipping, learning rate), `recording` and `resuming` (what is kept), `distributed` (several
processes), `fitting`, `train`. `runs` and `curves` find and draw runs on disk, without Keras.
"""
