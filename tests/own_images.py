"""Small folders of images: a bright stripe whose row depends on the class, on noise."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("cat", "dog", "owl")


def striped(label: int, side: tuple[int, int], random: np.random.Generator) -> Image.Image:
    """An image of (width, height) pixels."""
    width, height = side
    pixels = random.integers(0, 60, (height, width, 3), dtype=np.uint8)
    top = (label + 1) * height // 6
    pixels[top : top + height // 8] = (255, 200, 120)
    return Image.fromarray(pixels)


def write_images(
    root: Path,
    parts: Mapping[str, int],
    classes: Sequence[str] = CLASSES,
    sides: Sequence[tuple[int, int]] = ((28, 28),),
    mode: str = "RGB",
) -> Path:
    """Write `root`/<part>/<class>/<number>.png, so many images a class for each part.

    Sides (width, height) are used in turn, and every second image lies one folder deeper.
    """
    random = np.random.default_rng(0)
    for part, count in parts.items():
        for label, name in enumerate(classes):
            for number in range(count):
                image = striped(label, sides[number % len(sides)], random).convert(mode)
                folder = root / part / name / ("more" if number % 2 else "")
                folder.mkdir(parents=True, exist_ok=True)
                image.save(folder / f"{number}.png")
    return root
