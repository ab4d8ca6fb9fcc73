"""What PyTorch has and minicnn leaves out, with what to use instead."""

from __future__ import annotations

_INSTEAD = {
    "1d": "minicnn computes on images; a sequence (N, C, L) is an image (N, C, 1, L) for the 2-d layer",
    "3d": "minicnn computes on images; volumes are left out",
    "lazy": "layers whose input size is found out later are left out; give in_channels or in_features",
    "lstm": "recurrent networks are left out",
    "gru": "recurrent networks are left out",
    "rnn": "recurrent networks are left out",
    "transformer": "attention is left out",
    "attention": "attention is left out",
    "embedding": "embeddings are left out",
    "gelu": "use SiLU, which is close to it",
}


def explain(name: str, module: str) -> str:
    """The message for an attribute that ``module`` does not have."""
    lowered = name.lower()
    reason = next((text for part, text in _INSTEAD.items() if part in lowered), None)
    message = f"module {module!r} has no attribute {name!r}"
    return message if reason is None or name.startswith("_") else f"{message}: {reason}"
