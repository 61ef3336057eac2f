"""Who trains: our own loop, and algorithms of Stable-Baselines3."""
