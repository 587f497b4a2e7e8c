"""Ensembles: combine submissions of other systems and select one patch per task."""
