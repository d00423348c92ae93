"""What the example documents are made of: print, handwriting, paper and the look of a scan. Seeded throughout."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

INK = (28, 28, 34)


def font(size: float) -> ImageFont.FreeTypeFont:
    """Pillow's own scalable font: no system font is needed."""
    loaded = ImageFont.load_default(size)
    assert isinstance(loaded, ImageFont.FreeTypeFont)
    return loaded


def write(draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, size: float, fill: object = INK) -> None:
    """Print one line of text."""
    draw.text(place, text, font=font(size), fill=fill)


# Letters as pen strokes: points in a box of 1 x 1, y down, the baseline at 0.7, ascenders at 0, descenders at 1.
_STROKES: dict[str, list[list[tuple[float, float]]]] = {
    "a": [[(0.7, 0.35), (0.3, 0.3), (0.1, 0.5), (0.3, 0.72), (0.6, 0.6), (0.7, 0.35), (0.7, 0.6), (0.9, 0.7)]],
    "b": [[(0.2, 0.0), (0.15, 0.4), (0.15, 0.7), (0.5, 0.7), (0.7, 0.5), (0.4, 0.35), (0.15, 0.5)]],
    "c": [[(0.7, 0.38), (0.4, 0.3), (0.15, 0.5), (0.35, 0.72), (0.8, 0.62)]],
    "d": [[(0.7, 0.4), (0.3, 0.32), (0.1, 0.55), (0.4, 0.72), (0.7, 0.5), (0.75, 0.0), (0.72, 0.5), (0.9, 0.7)]],
    "e": [[(0.15, 0.52), (0.6, 0.48), (0.55, 0.32), (0.25, 0.35), (0.15, 0.6), (0.4, 0.73), (0.8, 0.6)]],
    "f": [[(0.7, 0.05), (0.45, 0.0), (0.35, 0.3), (0.35, 0.75)], [(0.15, 0.35), (0.65, 0.33)]],
    "g": [[(0.7, 0.38), (0.3, 0.32), (0.15, 0.55), (0.5, 0.68), (0.7, 0.4), (0.7, 0.9), (0.35, 1.0), (0.15, 0.9)]],
    "h": [[(0.2, 0.0), (0.18, 0.7), (0.3, 0.4), (0.55, 0.35), (0.65, 0.5), (0.7, 0.7)]],
    "i": [[(0.35, 0.33), (0.35, 0.62), (0.55, 0.7)], [(0.36, 0.14), (0.38, 0.17)]],
    "j": [[(0.45, 0.33), (0.42, 0.9), (0.2, 1.0), (0.05, 0.9)], [(0.47, 0.14), (0.49, 0.17)]],
    "k": [[(0.2, 0.0), (0.2, 0.72)], [(0.65, 0.32), (0.22, 0.5), (0.7, 0.72)]],
    "l": [[(0.35, 0.0), (0.3, 0.5), (0.4, 0.7), (0.6, 0.65)]],
    "m": [[(0.05, 0.35), (0.1, 0.7), (0.15, 0.4), (0.35, 0.38), (0.4, 0.7), (0.5, 0.4), (0.7, 0.4), (0.8, 0.7)]],
    "n": [[(0.15, 0.35), (0.18, 0.7), (0.25, 0.42), (0.55, 0.36), (0.65, 0.55), (0.75, 0.7)]],
    "o": [[(0.45, 0.32), (0.15, 0.45), (0.25, 0.7), (0.6, 0.68), (0.7, 0.42), (0.45, 0.32)]],
    "p": [[(0.18, 0.35), (0.18, 1.0), (0.2, 0.45), (0.5, 0.32), (0.68, 0.5), (0.45, 0.7), (0.2, 0.62)]],
    "q": [[(0.7, 0.38), (0.3, 0.32), (0.12, 0.55), (0.45, 0.7), (0.7, 0.4), (0.68, 1.0), (0.85, 0.9)]],
    "r": [[(0.2, 0.35), (0.22, 0.7), (0.3, 0.45), (0.6, 0.35)]],
    "s": [[(0.65, 0.35), (0.3, 0.32), (0.3, 0.48), (0.6, 0.55), (0.55, 0.72), (0.15, 0.68)]],
    "t": [[(0.4, 0.08), (0.38, 0.6), (0.6, 0.7)], [(0.15, 0.3), (0.7, 0.28)]],
    "u": [[(0.15, 0.35), (0.2, 0.65), (0.5, 0.7), (0.68, 0.4), (0.7, 0.6), (0.85, 0.7)]],
    "v": [[(0.1, 0.35), (0.4, 0.7), (0.75, 0.33)]],
    "w": [[(0.05, 0.35), (0.25, 0.7), (0.45, 0.4), (0.65, 0.7), (0.9, 0.33)]],
    "x": [[(0.15, 0.35), (0.7, 0.7)], [(0.7, 0.33), (0.15, 0.72)]],
    "y": [[(0.15, 0.35), (0.3, 0.62), (0.65, 0.38)], [(0.68, 0.35), (0.5, 0.85), (0.2, 1.0)]],
    "z": [[(0.15, 0.36), (0.7, 0.35), (0.15, 0.7), (0.75, 0.69)]],
    "0": [[(0.45, 0.05), (0.15, 0.35), (0.35, 0.7), (0.7, 0.4), (0.45, 0.05)]],
    "1": [[(0.25, 0.2), (0.45, 0.03), (0.45, 0.7)]],
    "2": [[(0.2, 0.15), (0.5, 0.03), (0.65, 0.25), (0.2, 0.68), (0.75, 0.68)]],
    "3": [[(0.2, 0.08), (0.6, 0.08), (0.35, 0.32), (0.65, 0.5), (0.4, 0.72), (0.15, 0.62)]],
    "4": [[(0.5, 0.03), (0.15, 0.48), (0.75, 0.48)], [(0.55, 0.25), (0.52, 0.75)]],
    "5": [[(0.65, 0.05), (0.25, 0.06), (0.22, 0.32), (0.6, 0.36), (0.6, 0.65), (0.2, 0.7)]],
    "6": [[(0.6, 0.05), (0.25, 0.35), (0.25, 0.66), (0.6, 0.68), (0.62, 0.42), (0.25, 0.48)]],
    "7": [[(0.15, 0.07), (0.7, 0.06), (0.35, 0.72)]],
    "8": [[(0.5, 0.05), (0.2, 0.2), (0.6, 0.45), (0.45, 0.72), (0.18, 0.55), (0.62, 0.2), (0.5, 0.05)]],
    "9": [[(0.62, 0.2), (0.3, 0.08), (0.22, 0.35), (0.6, 0.32), (0.63, 0.15), (0.58, 0.72)]],
    "-": [[(0.15, 0.45), (0.65, 0.44)]],
    "=": [[(0.15, 0.38), (0.7, 0.37)], [(0.15, 0.55), (0.7, 0.54)]],
    "+": [[(0.4, 0.25), (0.4, 0.65)], [(0.15, 0.45), (0.65, 0.45)]],
    ".": [[(0.25, 0.68), (0.28, 0.7)]],
    ",": [[(0.3, 0.66), (0.22, 0.82)]],
    "/": [[(0.65, 0.0), (0.15, 0.8)]],
}


class Pen:
    """A hand: smooth strokes whose width, place and slant wander a little."""

    def __init__(self, rng: np.random.Generator, colour: tuple[int, int, int], width: float) -> None:
        self.rng, self.colour, self.width = rng, colour, width

    def stroke(self, canvas: np.ndarray, points: np.ndarray) -> None:
        """Draw a smooth line through (N, 2) points on an RGB canvas, darkening what is under it."""
        points = _smooth(points)
        layer = np.zeros(canvas.shape[:2], np.uint8)
        drift = np.interp(np.arange(len(points)), np.linspace(0, len(points), 5), self.rng.normal(1, 0.18, 5))
        for start, end, factor in zip(points[:-1], points[1:], drift[:-1], strict=True):
            thick = max(1, round(self.width * 4 * factor))
            cv2.line(layer, _fixed(start), _fixed(end), 255, max(1, thick // 4), cv2.LINE_AA, 3)
        cover = (layer.astype(np.float32) / 255 * self.rng.uniform(0.82, 0.97))[..., None]
        canvas[:] = canvas * (1 - cover) + np.minimum(canvas, np.array(self.colour)) * cover

    def write(self, canvas: np.ndarray, place: tuple[float, float], text: str, size: float) -> None:
        """Write a line by hand; ``place`` is the left end of its top."""
        x, y = place
        slant, slope = self.rng.normal(0.18, 0.04), self.rng.normal(0, 0.012)
        for letter in text.lower():
            grow = size * self.rng.normal(1.0, 0.05)
            for shape in _STROKES.get(letter, []):
                points = np.array(shape) + self.rng.normal(0, 0.018, (len(shape), 2))
                points[:, 0] += (0.7 - points[:, 1]) * slant
                self.stroke(canvas, points * (grow * 0.62, grow) + (x, y + slope * (x - place[0])))
            x += size * (0.34 if letter in "il1., " else 0.5) * self.rng.normal(1.0, 0.06)


def _smooth(points: np.ndarray) -> np.ndarray:
    """Catmull-Rom through the points, twelve steps a piece."""
    ends = np.vstack([points[:1], points, points[-1:]])
    steps = np.linspace(0, 1, 12, endpoint=False)[:, None]
    pieces = []
    for a, b, c, d in zip(ends[:-3], ends[1:-2], ends[2:-1], ends[3:], strict=True):
        curve = 2 * b + (c - a) * steps + (2 * a - 5 * b + 4 * c - d) * steps**2 + (3 * b - a - 3 * c + d) * steps**3
        pieces.append(curve / 2)
    return np.vstack([*pieces, points[-1:]])


def _fixed(point: np.ndarray) -> tuple[int, int]:
    return round(float(point[0]) * 8), round(float(point[1]) * 8)


def grain(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> np.ndarray:
    """Smooth noise of mean 0 and deviation 1 whose blobs are about ``scale`` pixels wide. (H, W) float32."""
    small = rng.normal(size=(int(shape[0] / scale) + 2, int(shape[1] / scale) + 2)).astype(np.float32)
    return cv2.resize(small, shape[::-1], interpolation=cv2.INTER_CUBIC)


def scan(rng: np.random.Generator, page: np.ndarray, angle: float, noise: float) -> np.ndarray:
    """A page as a scanner sees it: a little turned, uneven light, soft, with grain."""
    height, width = page.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    turned = cv2.warpAffine(page, turn, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    soft = cv2.GaussianBlur(turned, (0, 0), 0.6).astype(np.float32)
    light = 1 + 0.02 * grain(rng, (height, width), 500)[..., None]
    dirt = noise * rng.normal(size=(height, width, 1)) + 0.7 * noise * grain(rng, (height, width), 3)[..., None]
    return np.clip(soft * light + dirt, 0, 255).astype(np.uint8)


def save(image: np.ndarray, path: str, dpi: int, quality: int = 88) -> None:
    """Write JPEG, or PNG at four fifths of the size and with few colours, so that the repository stays small."""
    if path.endswith(".png"):
        height, width = image.shape[:2]
        small = cv2.resize(image, (width * 4 // 5, height * 4 // 5), interpolation=cv2.INTER_AREA)
        colours = Image.fromarray(small).quantize(96, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        colours.save(path, dpi=(dpi * 4 / 5, dpi * 4 / 5), optimize=True)
    else:
        Image.fromarray(image).save(path, dpi=(dpi, dpi), quality=quality)
