"""Carries an astronomical alert from whoever saw it to the telescope that should look."""
