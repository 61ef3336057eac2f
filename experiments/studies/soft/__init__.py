"""Every block and head of soft and stochastic attention in one network, compared by one protocol."""
