"""PNG, JPEG, TIFF and WebP files as pages: their own pixels, upright, on white."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

import numpy as np
import pymupdf
from PIL import Image, ImageCms, ImageFile, ImageOps, UnidentifiedImageError

from pipeline.complaints import without_names
from pipeline.errors import InputError, RestoreError, StageError
from pipeline.formats import DocumentKind, RasterSettings
from pipeline.jpeg_tables import tables_of, turned
from pipeline.pdf_file import MUPDF_LOCK
from pipeline.pixels import colour_of, is_bilevel
from pipeline.types import Array, Colour, JpegTables, Page, PageRef

logger = logging.getLogger(__name__)

ASSUMED_DPI = 200.0
"""For an image that does not say its resolution, or says one that would make a page larger than A0."""

_MAX_SIDE_PT = 47.0 * 72.0
_SANE_DPI = (20.0, 5000.0)
_ORIENTATION_TAG = 0x0112
_REMEDY_DAMAGED = "copy or scan it again"

# our own limit, which --max-pixels sets, is checked before anything is decoded
Image.MAX_IMAGE_PIXELS = None


def count_frames(path: str, kind: DocumentKind, settings: RasterSettings) -> int:
    """How many pages an image file has; decodes none.

    Raises:
        InputError: damaged, animated, or its first page is larger than ``settings.max_pixels``.
    """
    with _opened(path, kind) as image:
        frames = int(getattr(image, "n_frames", 1))
        if frames > 1 and kind in (DocumentKind.PNG, DocumentKind.WEBP):
            raise InputError(f"{path} is an animation of {frames} pictures, not a page", "save one picture of it")
        _refuse_large(image, path, settings.max_pixels)
    return frames if kind is DocumentKind.TIFF else 1


def rasterize_frame(ref: PageRef, kind: DocumentKind, settings: RasterSettings) -> Page:
    """One frame as a page, with orientation applied, transparency on white and 16 bits cut to 8.

    An embedded RGB or CMYK profile is converted to sRGB; a grey one is ignored. The page's size follows the
    resolution tag; see :data:`ASSUMED_DPI`.

    Raises:
        InputError: the file is damaged. StageError: this frame of several is damaged, or too large.
    """
    try:
        return _frame(ref, kind, settings)
    except InputError as error:
        if kind is not DocumentKind.TIFF:
            raise
        what = f"page {ref.page_number} of {error.what}"
        raise StageError(what, error.remedy, "rasterize", ref.page_number) from error


def _frame(ref: PageRef, kind: DocumentKind, settings: RasterSettings) -> Page:
    with _opened(ref.document, kind) as image:
        image.seek(ref.page_index)
        _refuse_large(image, ref.document, settings.max_pixels)
        # the order matters: looking for the orientation of a PNG loads it, which forgets how it was stored
        one_bit = _is_one_bit(image)
        jpeg = tables_of(image)
        swapped = _orientation(image) >= 5
        dpi = _resolution(image, swapped)
        pixels = _upright_pixels(image, ref.document)
    return _page(ref, pixels, dpi, one_bit, turned(jpeg) if jpeg is not None and swapped else jpeg)


def _page(ref: PageRef, pixels: Array, dpi: tuple[float, float], one_bit: bool, jpeg: JpegTables | None) -> Page:
    colour = colour_of(pixels)
    if one_bit and colour is Colour.GREY and is_bilevel(pixels):
        colour = Colour.BILEVEL
    height, width = pixels.shape[:2]
    width_pt, height_pt = width * 72.0 / dpi[0], height * 72.0 / dpi[1]
    if max(width_pt, height_pt) > _MAX_SIDE_PT:
        width_pt, height_pt = width * 72.0 / ASSUMED_DPI, height * 72.0 / ASSUMED_DPI
    return Page(ref, pixels, width_pt, height_pt, colour, jpeg)


@contextmanager
def _opened(path: str, kind: DocumentKind) -> Iterator[Image.Image]:
    """The file as a Pillow image of the kind that was identified; Pillow's ways to fail become an InputError."""
    # some libraries switch this on for the whole process; half a page must fail, not come back half grey
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd tags, which do not concern the pixels
            with Image.open(path, formats=[kind.value]) as image:
                yield image
    except RestoreError:
        raise
    except UnidentifiedImageError as error:
        what = f"{path} is damaged, or of a sort that is not supported: no {kind.name} image can be read from it"
        raise InputError(what, "save it anew as 8-bit RGB, or scan it again") from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, ZeroDivisionError) as error:
        # Pillow's own words say what is wrong; those of other errors are what was in the file
        says = without_names(str(error)) if isinstance(error, OSError | SyntaxError | EOFError) else ""
        raise InputError(f"{path} is damaged: {says or type(error).__name__}", _REMEDY_DAMAGED) from error


def _refuse_large(image: Image.Image, path: str, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise InputError(
            f"{path} has {width} x {height} pixels, more than the limit of {max_pixels}", "raise --max-pixels"
        )


def _orientation(image: Image.Image) -> int:
    value = image.getexif().get(_ORIENTATION_TAG, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _is_one_bit(image: Image.Image) -> bool:
    if image.mode == "1":
        return True
    # a black and white PNG with a palette
    return image.mode == "P" and isinstance(image, ImageFile.ImageFile) and "P;1" in str(image.tile)


def _resolution(image: Image.Image, swapped: bool) -> tuple[float, float]:
    found = image.info.get("dpi", ())
    try:
        x, y = float(found[0]), float(found[1])
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        return ASSUMED_DPI, ASSUMED_DPI
    if not all(math.isfinite(value) and _SANE_DPI[0] <= value <= _SANE_DPI[1] for value in (x, y)):
        return ASSUMED_DPI, ASSUMED_DPI
    return (y, x) if swapped else (x, y)


def _upright_pixels(image: Image.Image, path: str) -> Array:
    image.load()
    profile = image.info.get("icc_profile")
    turned_image = ImageOps.exif_transpose(image)
    return _rgb(turned_image, profile, path)


def _rgb(image: Image.Image, profile: bytes | None, path: str) -> Array:
    if image.mode.startswith("I"):
        return _from_deep_grey(image, path)
    if image.mode in ("RGB", "CMYK") and profile:
        image = _to_srgb(image, profile, path)
    if image.mode == "CMYK":
        return _from_cmyk(image)
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        page = Image.new("RGB", seen.size, "white")
        page.paste(seen, mask=seen.getchannel("A"))
        return np.array(page)
    if image.mode in ("1", "L", "P", "RGB", "RGBX", "YCbCr"):
        return np.array(image.convert("RGB"))
    raise InputError(f"{path} has pixels of a kind that is not supported ({image.mode})", "convert it to 8-bit RGB")


def _from_deep_grey(image: Image.Image, path: str) -> Array:
    deep = np.asarray(image)
    if deep.min() < 0 or deep.max() > 65535:
        raise InputError(f"{path} has grey values beyond 16 bits", "convert it to 8 bits")
    grey = ((deep.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _from_cmyk(image: Image.Image) -> Array:
    """Through MuPDF, whose built-in press profile gives the colours a PDF viewer would; Pillow's are garish."""
    with MUPDF_LOCK:
        source = pymupdf.Pixmap(pymupdf.csCMYK, image.width, image.height, image.tobytes(), False)
        target = pymupdf.Pixmap(pymupdf.csRGB, source)
        return np.frombuffer(target.samples, np.uint8).reshape(image.height, image.width, 3).copy()


def _to_srgb(image: Image.Image, profile: bytes, path: str) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return image
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        logger.warning("%s: its colour profile cannot be used and is ignored: %s", path, type(error).__name__)
        return image
    return image if converted is None else converted
