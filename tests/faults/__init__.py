"""The fault campaign: a real fleet under a steady load, broken in every way its makers could think of.

`python -m tests.faults --help`; docs/reliability.md says what is held to be true meanwhile.
"""
