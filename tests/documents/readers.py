"""Reading papers back as others do: the text of a PDF page by page, the code on a picture, the cells of a sheet."""

import io

import pdfplumber
import zxingcpp
from PIL import Image


def pages(pdf: bytes) -> list[list[str]]:
    """The lines of every page, from top to bottom; all kinds of spaces alike."""
    with pdfplumber.open(io.BytesIO(pdf)) as opened:
        return [[" ".join(line.split()) for line in page.extract_text().split("\n")] for page in opened.pages]


def all_lines(pdf: bytes) -> list[str]:
    return [line for page in pages(pdf) for line in page]


def said(text: str) -> str:
    """A text as `pages` would find it."""
    return " ".join(text.split())


def code_on(picture: bytes) -> str:
    """The content of the one QR code on a page."""
    (found,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)))
    return found.text
