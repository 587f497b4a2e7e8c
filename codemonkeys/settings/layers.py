"""The order that layers can have."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

LayerName = Literal["generate", "critique", "rank", "fuse", "verify"]


def checked_layers(layers: tuple[LayerName, ...]) -> tuple[LayerName, ...]:
    """The layers. Raises ValueError for layers in an order in which one of them does nothing."""
    if layers[:1] != ("generate",) or layers.count("generate") > 1:
        raise ValueError("layers begin with generate, which occurs once: such as [generate, critique, rank, fuse]")
    for before, layer in pairwise(layers):
        if layer == "verify" and before != "fuse":
            raise ValueError(f"layer verify checks what fuse has made, so it stands right behind fuse, not {before}")
        if layer == before:
            raise ValueError(f"layer {layer} twice in a row does nothing the second time")
    if layers[-1] in ("critique", "rank"):
        raise ValueError(f"nothing uses layer {layers[-1]} where it is the last: add fuse behind it")
    return layers
