"""CTRNet weights and inputs from a seed: the rule the golden outputs were made by. Needs numpy only.

Every tensor has its own stream, PCG64 seeded by crc32(name) ^ seed, so that none depends on another's size or order.
"""

import zlib

import numpy as np

RESIDUAL_ENDS = (
    ".lff.weight",
    ".res1.conv_block.4.weight",
    ".res2.conv_block.4.weight",
    *(f"feature_recon.{i}.conv_block.4.weight" for i in range(4)),
)
GAINS = {
    ".mlp_gamma.weight": 0.5,
    ".mlp_beta.weight": 0.5,
    ".feature_mapping.weight": 1.0,
    ".dc1_conv.weight": 0.3,
    ".prejection_head1.weight": 0.5,
    ".prejection_head2.weight": 0.8,
}


def uniform(name, shape, seed):
    """float64 in [0, 1)."""
    raw = np.random.PCG64(zlib.crc32(name.encode()) ^ seed).random_raw(int(np.prod(shape)))
    return ((raw >> np.uint64(11)) * 2.0**-53).reshape(shape)


def signed(name, shape, seed):
    """Mean 0, variance 1."""
    return (2 * uniform(name, shape, seed) - 1) * np.sqrt(3)


def kernel(name, shape, seed):
    gain = 0.4 if name.endswith(RESIDUAL_ENDS) else 1.2
    gain = next((value for end, value in GAINS.items() if name.endswith(end)), gain)
    return signed(name, shape, seed) * (gain / np.sqrt(np.prod(shape[1:])))


def unit(vector):
    return vector / np.sqrt((vector * vector).sum())


def singular_vectors(base, shapes, seed):
    """u and v of a spectrally normalized layer: near its largest singular vectors, and not equal to them."""
    u = unit(signed(f"{base}.weight_u", shapes[f"{base}.weight_u"], seed))
    matrix = kernel(f"{base}.weight_orig", shapes[f"{base}.weight_orig"], seed)
    if matrix.shape[0] != u.size:  # transposed: the output channels come second
        matrix = np.swapaxes(matrix, 0, 1)
    across = unit(matrix.reshape(u.size, -1).T @ u)
    return u, unit(across + unit(signed(f"{base}.weight_v", across.shape, seed)))


def make_weights(shapes, seed):
    """{name: array} for {name: shape}; names with the prefix ``generator.``."""
    made = {}
    for name, shape in shapes.items():
        base, last = name.rsplit(".", 1)
        if last == "num_batches_tracked":
            made[name] = np.array(1)
        elif last == "weight_u":
            u, v = singular_vectors(base, shapes, seed)
            made[name], made[f"{base}.weight_v"] = u.astype(np.float32), v.astype(np.float32)
        elif last != "weight_v":
            made[name] = plain(name, shape, seed).astype(np.float32)
    return made


def plain(name, shape, seed):
    if name.endswith("running_var"):
        return 1 + uniform(name, shape, seed)
    if name.endswith("running_mean"):
        return 0.1 * signed(name, shape, seed)
    if name.endswith("bias"):
        return 0.05 * signed(name, shape, seed)
    return 1 + 0.1 * signed(name, shape, seed) if len(shape) == 1 else kernel(name, shape, seed)


def make_sample(seed, height, width, index=0):
    """image (3, H, W), mask and soft mask (1, H, W), structure (3, H, W): waves, boxes of text, float32."""
    tag = f"input.{index}.{height}x{width}."
    y, x = np.arange(height)[:, None] / 512, np.arange(width)[None] / 512
    image = np.full((3, height, width), 0.5)
    for channel, waves in enumerate(uniform(tag + "waves", (3, 6, 4), seed)):
        for k, (fx, fy, phase, size) in enumerate(waves, 1):
            turns = (8 * fx - 4) * x * k + (8 * fy - 4) * y * k + phase
            image[channel] += 0.14 * (0.5 + size) * np.cos(2 * np.pi * turns)
    structure = np.round(np.clip(image, 0, 1) * 8) / 8
    image = np.clip(image + 0.04 * (uniform(tag + "noise", image.shape, seed) - 0.5), 0, 1)
    mask, soft = np.zeros((height, width)), np.zeros((height, width))
    yy, xx = np.arange(height)[:, None], np.arange(width)[None]
    for a, b, c, d in uniform(tag + "boxes", (4, 4), seed):
        y0, x0 = int(a * 0.7 * height), int(b * 0.7 * width)
        y1, x1 = y0 + 8 + int(c * 0.15 * height), x0 + 8 + int(d * 0.25 * width)
        mask[y0:y1, x0:x1] = 1
        dy = np.maximum(np.maximum(y0 - yy, yy - (y1 - 1)), 0)
        dx = np.maximum(np.maximum(x0 - xx, xx - (x1 - 1)), 0)
        soft = np.maximum(soft, np.clip(1 - np.sqrt(dy * dy + dx * dx) / 12, 0, 1))
    image = np.where((mask > 0) & ((xx // 5 + yy // 7) % 3 == 0), 0.1 * image, image)
    return [part.astype(np.float32) for part in (image, mask[None], soft[None], structure)]
