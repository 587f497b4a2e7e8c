"""The effects of a run, each a step of its journal, and what bounds them."""
