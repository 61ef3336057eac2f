"""Attention weights as random variables, one paper a file: with maps, divergences and draws.

Blocks and heads as in `hardattn.blocks`: a block is (B, C, H, W) -> the same shape, a head
(B, C, H, W) -> (B, K) logits. They draw in training; in evaluation they go by their mean, unless
the rollout samples (`hardattn.noise`). What is drawn is the map that they declare; a divergence
from the prior is charged (`hardattn.maps.charge`). Their rows are in `hardattn.attention`.
"""
