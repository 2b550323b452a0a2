"""`python -m simulations.explorer`."""

from simulations.explorer.command import main

main()
