"""Writes what a network has learnt, and what decides on some photos, as pictures and a text.

    python examples/pictures.py squeezenet1_1 cat.jpg dog.jpg --weights squeezenet1_1-b8a52dc0.pth --output pictures

Into the folder go filters, feature maps, saliency, guided backpropagation, Grad-CAM, occlusion, deconvnet, the patches
of the photos that excite some channels most, and the architecture; `report.txt` has the numbers.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import minicnn
from minicnn import explain, models
from minicnn.cli.images import class_names, picture


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", help="a name that `minicnn models` lists")
    parser.add_argument("photos", nargs="+", help="files of pictures")
    parser.add_argument("--weights", metavar="FILE", help="trained weights (default: random)")
    parser.add_argument("--classes", metavar="FILE", help="names of the classes, one in a line")
    parser.add_argument("--layer", metavar="PATH", help="for deconvnet and exciting patches (default: in the middle)")
    parser.add_argument("--output", metavar="FOLDER", default="pictures", help="default: pictures")
    return parser.parse_args(given)


def inner_channel(maps: Any) -> int | None:
    """Of the channels (N, K, h, w) that are largest away from the border, where padding counts, the strongest."""
    n, k, h, w = maps.shape
    rows, columns = np.divmod(maps.reshape(n, k, -1).argmax(2), w)  # (N, K)
    inner = ((rows > h // 8) & (rows < h - 1 - h // 8) & (columns > w // 8) & (columns < w - 1 - w // 8)).all(0)
    return int(np.where(inner, maps.max(axis=(0, 2, 3)), -np.inf).argmax()) if inner.any() else None


def main(given: Sequence[str] | None = None) -> None:
    """Make all pictures."""
    args = arguments(given)
    net = models.get_model(args.model, **({"weights": args.weights} if args.weights else {}))
    photos = minicnn.stack([picture(path, args.model) for path in args.photos])  # (N, C, H, W)
    names: dict[str, Any] = {"classes": class_names(args.classes)} if args.classes else {}
    maps = explain.feature_maps(net, photos)
    layer = args.layer or list(maps.maps)[len(maps.maps) // 2]

    channel = inner_channel(explain.feature_maps(net, photos, layer).maps[layer])
    results = {
        "filters": explain.filters(net),
        "feature_maps": maps,
        "saliency": explain.saliency(net, photos, **names),
        "guided_backprop": explain.guided_backprop(net, photos, **names),
        "grad_cam": explain.grad_cam(net, photos, **names),
        "occlusion": explain.occlusion(net, photos, **names),
        "deconvnet": explain.deconvnet(net, photos, layer, channel),
        "most_activating": explain.most_activating(net, photos, layer, k=min(9, len(photos))),
        "activations": explain.activation_stats(net, photos),
    }
    folder = Path(args.output)
    folder.mkdir(parents=True, exist_ok=True)
    for name, result in results.items():
        result.figure().savefig(folder / f"{name}.png", dpi=110)
    graph = explain.graph(net, input_data=photos)
    (folder / "architecture.svg").write_text(graph.svg, encoding="utf-8")
    report = "\n\n".join(map(str, [*results.values(), graph]))
    (folder / "report.txt").write_text(f"{report}\n", encoding="utf-8")
    print(f"{report}\n\n{len(results) + 1} pictures and report.txt are in {folder}")


if __name__ == "__main__":
    main()
