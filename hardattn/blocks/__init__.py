"""Soft attention, one paper a file: `Block(channels, **options)`, (B, C, H, W) -> the same shape.

What a block attends to passes through an `AttentionMap` of its own (`hardattn.maps`). A head,
`Head(channels, classes, **options)`, (B, C, H, W) -> (B, K) logits, attends where a block cannot:
it pools. The tables of both, BLOCKS and HEADS, are in `hardattn.attention`.
"""
