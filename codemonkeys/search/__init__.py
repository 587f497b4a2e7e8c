"""Beams over context choices and first edits, of which only the best few are gone on with."""
