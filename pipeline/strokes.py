"""v2"""
from __future__ import annotations
import cv2
import numpy as np
from pipeline.masks import whole_pixels

P = dict(clear=0.65, s=0.45, cw=1.5, sW=2.5, sN=1.5, hat=0.6, tmin=16, k=6.0, wk=3.0, wmin=6, weak_px=2, rl=2.5, rv=1.4)

def stroke_mask(image, polygons):
    H, W = image.shape[:2]
    ink_all = np.zeros((H, W), bool)
    keep_all = np.zeros((H, W), bool)
    for polygon in polygons:
        pts = whole_pixels(polygon)
        (_, (a, b), _) = cv2.minAreaRect(pts)
        h = max(6.0, min(a, b))
        pad = int(round(1.2 * h)) + 4
        x0, y0 = np.maximum(pts.min(0) - pad, 0); x1, y1 = np.minimum(pts.max(0) + 1 + pad, (W, H))
        if x0 >= x1 or y0 >= y1: continue
        crop = image[y0:y1, x0:x1]
        ink, keep = _window(crop, pts - (x0, y0), h)
        ink_all[y0:y1, x0:x1] |= ink
        keep_all[y0:y1, x0:x1] |= keep
    return ink_all & ~keep_all

def _median(crop, k, target=16):
    step = max(1, int(k // (2 * target)))
    small = np.ascontiguousarray(crop[::step, ::step])
    med = cv2.medianBlur(small, max(3, int(k / step) | 1))
    if step > 1: med = cv2.resize(med, (crop.shape[1], crop.shape[0]), interpolation=cv2.INTER_LINEAR)
    return med

def _background(crop, region, pts, h):
    hh, ww = crop.shape[:2]
    hyps = [_median(crop, P['sW'] * h)]
    g = 1
    x0, y0 = np.maximum(pts.min(0) - g, 0); x1, y1 = np.minimum(pts.max(0) + 1 + g, (ww, hh))
    near = _median(crop[y0:y1, x0:x1], P['sN'] * h)
    hyps.append(cv2.copyMakeBorder(near, y0, hh - y1, x0, ww - x1, cv2.BORDER_REPLICATE))
    wide = _wide_fill(crop, h)
    if wide is not None: hyps.append(wide)
    b = max(1, int(round(0.1 * h)))
    where = cv2.dilate(region, np.ones((2*b+1,)*2, np.uint8))
    k = (int(P['cw'] * h) | 1,) * 2
    best = None
    for n, B in enumerate(hyps):
        d = cv2.absdiff(crop, B)
        d = np.maximum(np.maximum(d[..., 0], d[..., 1]), d[..., 2])
        cost = cv2.blur((where * (d > 24)).astype(np.float32), k, borderType=cv2.BORDER_CONSTANT)
        neg = crop.sum(2, dtype=np.int32) < B.sum(2, dtype=np.int32)
        if best is None: best, out, sgn = cost, d, neg
        else:
            better = cost < best * 0.9 - 0.01
            out = np.where(better, d, out); best = np.where(better, cost, best); sgn = np.where(better, neg, sgn)
    return out, sgn

def _wide_fill(crop, h):
    s = int(P['s'] * h) | 1
    k = np.ones((s, s), np.uint8)
    hat = np.maximum(cv2.morphologyEx(crop, cv2.MORPH_CLOSE, k) - crop, crop - cv2.morphologyEx(crop, cv2.MORPH_OPEN, k))
    hat = hat.max(2)
    t = max(20, 1.5 * np.percentile(hat[::2, ::2], 20))
    known = (cv2.dilate((hat > t).astype(np.uint8), np.ones((3, 3), np.uint8)) == 0).astype(np.uint8)
    if known.mean() < 0.02: return None
    _, label = cv2.distanceTransformWithLabels(1 - known, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    at = np.flatnonzero(known)
    source = np.zeros(int(label.max()) + 1, np.int64); source[label.ravel()[at]] = at
    return cv2.medianBlur(crop.reshape(-1, 3)[source[label]], 7 if h > 14 else 5)

def _window(crop, pts, h):
    hh, ww = crop.shape[:2]
    region = np.zeros((hh, ww), np.uint8); cv2.fillPoly(region, [pts], 1)
    d, dark = _background(crop, region, pts, h)
    paper = d[(region > 0) & (d < 40)]
    sigma0 = np.median(paper) / 0.67 if paper.size else 0
    far = cv2.dilate((d > max(16, 3 * sigma0)).astype(np.uint8), np.ones((5, 5), np.uint8)) == 0
    q = d[far]
    sigma = np.median(q) / 1.1 if q.size > 20 else sigma0   # max of three channels
    T = max(P['tmin'], P['k'] * sigma)
    s = int(P['hat'] * h) | 1
    hat = d - cv2.morphologyEx(d, cv2.MORPH_OPEN, np.ones((s, s), np.uint8))
    strong = ((d > T) & (hat > T * 0.5)).astype(np.uint8)
    keep = _rules(d, T, h)
    g = int(round(0.2 * h)) + 1
    near = cv2.dilate(region, np.ones((2 * g + 1, 2 * g + 1), np.uint8))
    cut = strong & (1 - keep)
    ink = np.zeros((hh, ww), bool)
    w = (d * cut * region).astype(np.float32)
    k = (int(4 * h) | 1,) * 2
    vd = cv2.blur(w * dark, k); va = cv2.blur(w, k)
    for side, vote in ((dark, vd), (~dark, va - vd)):
        c = cut * side
        n, lab, stats, _ = cv2.connectedComponentsWithStats(c.astype(np.uint8), connectivity=8)
        tot = stats[:, 4].astype(float)
        ins = np.bincount(lab.ravel(), weights=region.ravel(), minlength=n)
        ok = ins / tot > 0.5
        ok[0] = False
        ink |= ok[lab] & (near > 0) & (vote > 0.25 * va)
    Tl = max(P['wk'] * sigma, P['wmin'])
    weak = (d > Tl) & (hat > Tl * 0.5) & (keep == 0)
    for _ in range(P['weak_px']):
        ink = ink | ((cv2.dilate(ink.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))) > 0) & weak)
    return ink, keep > 0

def _rules(d, T, h):
    keep = np.zeros(d.shape, np.uint8)
    for turn, length in ((False, P['rl'] * h), (True, P['rv'] * h)):
        m = d.T if turn else d
        L = int(max(length, 12))
        if L >= m.shape[1]: continue
        r = _rows(np.ascontiguousarray(m), T, h, L)
        if r is not None: keep |= r.T if turn else r
    return keep

def _rows(d, T, h, L):
    grey = cv2.morphologyEx(cv2.dilate(d, np.ones((3, 1), np.uint8)), cv2.MORPH_OPEN, np.ones((1, L), np.uint8))
    run = ((grey > T) & (d > T) & (grey > 0.5 * d)).astype(np.uint8)
    if not run.any(): return None
    k2 = max(3, int(0.6 * h))
    core = cv2.morphologyEx((d > T).astype(np.uint8), cv2.MORPH_OPEN, np.ones((1, k2), np.uint8))
    run = cv2.morphologyEx(run, cv2.MORPH_CLOSE, np.ones((1, k2), np.uint8)) & core
    n, lab, st, _ = cv2.connectedComponentsWithStats(run, connectivity=8)
    t = st[:, 4] / np.maximum(st[:, 2], 1)
    ok = (t <= max(0.25 * h, 3)) & (st[:, 2] >= L * 0.9); ok[0] = False
    out = np.zeros(d.shape, np.uint8)
    for c in np.flatnonzero(ok):
        x, y, w, hh, area = st[c]
        m = lab[y:y + hh, x:x + w] == c
        top = y + m.argmax(0); bot = y + hh - 1 - m[::-1].argmax(0)
        col = np.arange(x, x + w); has = m.any(0)
        top, bot, col = top[has], bot[has], col[has]
        level = np.median(d[lab == c]) if False else np.median(d[y:y+hh, x:x+w][m])
        H = d.shape[0]
        gs = range(2, 3 + max(2, int(round(0.1 * h))))
        up = np.min([d[np.maximum(top - g, 0), col] for g in gs], 0) < 0.5 * level
        dn = np.min([d[np.minimum(bot + g, H - 1), col] for g in gs], 0) < 0.5 * level
        if min(up.mean(), dn.mean()) >= P['clear']: out[y:y+hh, x:x+w][m] = 1
    return out
