"""The programs behind `python -m minidl.models.char_rnn` and its like.

loop     the loop and the clock
results  the arguments, and the files that all of them leave
then one file a model
"""
