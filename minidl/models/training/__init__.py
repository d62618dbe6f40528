"""The programs behind `python -m minidl.models.char_rnn` and its like.

loop  the loop, the clock, what the commands have in common; then one file a model
"""
