"""The main job shown on one machine, on made-up or recorded alerts."""
