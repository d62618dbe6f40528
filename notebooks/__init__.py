"""The notebooks: stories to be run, and the machinery that makes them.

NN_name.py    a story in jupytext's percent format: the source, and all that is edited
NN_name.ipynb the same with its outputs, made by `python -m notebooks.build`
percent.py    reads and runs a source; needs nothing but Python
build.py      runs sources in a kernel (extra `notebooks`)

README.md says what a story looks like.
"""
