"""The results of a run in sections, with figures: what `codemonkeys report` shows."""
