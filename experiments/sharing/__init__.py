"""Agents for others: exported, shipped, on the Hub, and read again from there."""
