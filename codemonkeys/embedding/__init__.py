"""The pipeline inside other programs: models are called from here, code runs in a container of theirs."""
