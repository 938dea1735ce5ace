"""Every kernel of every instruction set against numpy."""
