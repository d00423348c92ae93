"""Pages with text drawn on them whose ink is known to the pixel, and how well a mask finds it."""

import cv2
import numpy as np

FONT = cv2.FONT_HERSHEY_SIMPLEX


def write(page, text, origin, scale=1.0, colour=(0, 0, 0), bold=2):
    """Write text at (x, baseline); returns (ink (H, W) bool, the box around it grown a little, as a polygon)."""
    blank = np.zeros(page.shape[:2], np.uint8)
    cv2.putText(blank, text, origin, FONT, scale, 255, bold, cv2.LINE_AA)
    share = blank[..., None] / 255.0
    page[:] = np.rint(page * (1 - share) + np.array(colour) * share).astype(np.uint8)
    ys, xs = np.nonzero(blank)
    grow = max(2, round(0.15 * (ys.max() - ys.min())))
    x0, y0, x1, y1 = xs.min() - grow, ys.min() - grow, xs.max() + grow, ys.max() + grow
    return blank > 60, np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float32)


def paper(height=160, width=500, colour=(255, 255, 255), noise=0.0, seed=0):
    page = np.full((height, width, 3), colour, np.float64)
    page += np.random.default_rng(seed).normal(0, noise, page.shape) if noise else 0
    return np.clip(page, 0, 255).astype(np.uint8)


def recall(mask, ink):
    return mask[ink].mean()


def spill(mask, ink, reach=4):
    """The share of the mask that is farther than ``reach`` px from ink."""
    near = cv2.dilate(ink.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0
    return (mask & ~near).sum() / max(1, mask.sum())


def square_frame(canvas: int, side: float, thickness: int, angle: float = 0.0) -> np.ndarray:
    """(H, W) bool: a square frame in the middle of a square canvas, turned by degrees."""
    corners = cv2.boxPoints(((canvas / 2, canvas / 2), (side, side), angle)).round().astype(np.int32)
    ink = np.zeros((canvas, canvas), np.uint8)
    cv2.polylines(ink, [corners], True, 1, thickness)
    return ink.view(bool)
