"""RTV by the book: every matrix built whole and solved directly in float64. Slow, and easy to check against the text.

Xu, Yan, Xia, Jia, "Structure Extraction from Texture via Relative Total Variation", ACM TOG 31(6), 2012, with the
published program's two traits: the image is blurred, not the inverse of its differences; the blur pads with zeros.
"""

import math

import numpy as np
import scipy.sparse as sparse
from scipy.ndimage import correlate1d
from scipy.sparse.linalg import spsolve


def reference_map(image, lam=0.01, sigma=3.0, sharpness=0.02, iterations=4):
    """(H, W) or (H, W, C) in [0, 1] to the same in float64."""
    f = np.atleast_3d(np.asarray(image, np.float64))
    height, width, channels = f.shape
    x = f
    for _ in range(iterations):
        east, south = weights(x, sigma, sharpness)
        matrix = system(lam / 2 * east, lam / 2 * south)
        columns = [spsolve(matrix, f[..., c].ravel()) for c in range(channels)]
        x = np.stack(columns, axis=1).reshape(height, width, channels)
        sigma = max(sigma / 2, 0.5)
    return x.reshape(np.shape(image))


def weights(x, sigma, sharpness):
    dx, dy = differences(x)
    gradient = 1 / np.maximum(np.sqrt(dx**2 + dy**2).mean(axis=2), sharpness)
    dx, dy = differences(blur(x, sigma))
    east = gradient / np.maximum(np.abs(dx).mean(axis=2), 0.001)
    south = gradient / np.maximum(np.abs(dy).mean(axis=2), 0.001)
    east[:, -1] = 0
    south[-1, :] = 0
    return east, south


def differences(x):
    return np.diff(x, axis=1, append=x[:, -1:]), np.diff(x, axis=0, append=x[-1:])


def blur(x, sigma):
    count = math.floor(5 * sigma + 0.5) | 1
    t = np.arange(count) - (count - 1) / 2
    taps = np.exp(-(t**2) / (2 * sigma**2))
    taps[taps < np.finfo(float).eps * taps.max()] = 0
    taps /= taps.sum()
    return correlate1d(correlate1d(x, taps, axis=0, mode="constant"), taps, axis=1, mode="constant")


def system(east, south):
    """I + the Laplacian with these couplings."""
    height, width = east.shape
    size = height * width
    e, s = east.ravel(), south.ravel()
    west, north = np.roll(e, 1), np.roll(s, width)
    west[::width] = 0
    north[:width] = 0
    diagonals = [1 + e + s + west + north, -e[:-1], -e[:-1]]
    offsets = [0, 1, -1]
    if height > 1:
        diagonals += [-s[:-width], -s[:-width]]
        offsets += [width, -width]
    if width == 1:  # then a row is one pixel, and the couplings to the east are all zero
        diagonals, offsets = diagonals[:1] + diagonals[3:], offsets[:1] + offsets[3:]
    return sparse.diags(diagonals, offsets, shape=(size, size), format="csc")
