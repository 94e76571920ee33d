"""Published architectures, written the way their repositories write them, and what streaming owes each of them.

The modules are untyped and keep their authors' habits on purpose: they are the outside world.
"""
