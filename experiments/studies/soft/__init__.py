"""Every block and head of soft and stochastic attention, compared in one network."""
