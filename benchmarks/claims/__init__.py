"""The claims of the lectures, measured: `python -m benchmarks.claims`.

claim.py      what a claim is, and when it is confirmed    store.py  what was measured
training.py   small nets and data                          page.py   docs/claims.md
schedules.py  reading.py  choosing.py  generalization.py   the claims, a function each
elsewhere.py  those that other pages of docs/ measure
"""
