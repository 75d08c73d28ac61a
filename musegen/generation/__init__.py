"""Compose: a request becomes a plan, the token loop draws its tokens, and a composition comes out.

=================  =================================================================================
module             what it does
=================  =================================================================================
`compose`          choose a model, and compose from music in memory
`compose_file`     compose from file to file
`composer`         a checkpoint that continues, fills and accompanies music
`request`          a request, and its result
`primer`           prepare a primer for a model: tracks, form, octave
`plan`             a task for the loop, and the way from its tokens to a composition
`continuation`     plan new bars after the primer
`new_piece`        plan a piece from nothing
`infilling`        plan new music for bars inside a piece (`gap_in_piece` reads around them)
`accompaniment/`   plan new parts that play at the same time as the primer
`loop`, `tasks`    the token loop: many pieces at once
`sampling`         draw a token from logits
`constraints/`     key, range, polyphony, lengths, density, cadence
`guards`           find repetition and copying at barlines
`expression`       play new notes as the primer is played
=================  =================================================================================
"""
