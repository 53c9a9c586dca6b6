"""`python -m askfirst` is the command `askfirst`."""

from .cli import main

main()
