"""How fast: training, environments, and the bridge to Stable-Baselines3."""
