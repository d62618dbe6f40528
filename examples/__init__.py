"""Programs that train the models which read and write, each on data in the package.

    python -m examples.char_rnn --minutes 15       an LSTM that writes Shakespeare
    python -m examples.gpt --minutes 15            a GPT that writes Shakespeare
    python -m examples.seq2seq --minutes 15        from spelling to pronunciation
    python -m examples.captioner                   names of emoji, by three models

Each file is data, model, optimizer and Trainer, and then what it draws. common.py has
what they share: the command line, and the results that `python -m docs.sequences` makes
a page of.
"""
