"""Pages of a PDF: header, footer, cards, tables and strips that show a share with its interval.

The letters are those of the PDF's own core fonts (Latin-1), since no package ships a font that we
could carry along: a letter outside them is written as the nearest plain one, else as "?", and
`replaced` says that it happened.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from fpdf import FPDF
from fpdf.enums import Align, TableBordersLayout, XPos, YPos
from fpdf.fonts import FontFace

INK, QUIET, LINE, ACCENT, BAND, RED = (
    (31, 41, 51), (91, 104, 117), (195, 204, 213), (29, 111, 165), (188, 217, 234), (166, 27, 27),
)  # fmt: skip
_FONT = "Helvetica"
_ROW = 6.2
# Letters that do not fall apart into a plain one and a mark, and signs that Latin-1 lacks.
_NEAREST = str.maketrans({
    "–": "-", "—": "-", "‑": "-", "−": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "…": "...",
    "•": "-", "≥": ">=", "≤": "<=", "→": "->", "€": "EUR", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D",
    "ı": "i", "œ": "oe", "Œ": "OE", "\u202f": " ", "\u2009": " ",
})  # fmt: skip


@dataclass(frozen=True)
class Strip:
    """A row of a strip table: a share with its limits drawn to scale, and texts beside it."""

    name: str
    share: float | None
    low: float | None
    high: float | None
    texts: Sequence[str]


class Paper(FPDF):
    """US Letter pages. `header_text` and `footer_text` stand on each, with the page's number."""

    def __init__(self, title: str, header_text: str, footer_text: str, made: datetime) -> None:
        super().__init__(orientation="portrait", unit="mm", format="letter")
        self.replaced = False
        self._header_text, self._footer_text = header_text, footer_text
        self.set_title(self._plain(title))
        self.set_lang("en-US")
        self.set_creation_date(made)
        self.set_margins(18, 16)
        self.c_margin = 0.8
        self.set_auto_page_break(auto=True, margin=20)
        self.alias_nb_pages()
        self.add_page()

    def header(self) -> None:
        """What FPDF calls for each page."""
        self._line(self._header_text, 8.5, QUIET)
        self.set_draw_color(*LINE)
        self.line(self.l_margin, self.get_y() + 1, self.w - self.r_margin, self.get_y() + 1)
        self.ln(4)

    def footer(self) -> None:
        """What FPDF calls for each page."""
        self.set_y(-14)
        self.set_font(_FONT, size=7.5)
        self.set_text_color(*QUIET)
        self.cell(0, 4, self._plain(self._footer_text))
        self.set_x(self.l_margin)
        self.cell(0, 4, f"Page {self.page_no()} of {{nb}}", align=Align.R)

    def heading(self, text: str, *, level: int = 2, rows: int = 3) -> None:
        """A title (level 1) or a section's heading, which stays with the `rows` that follow."""
        if level == 2:
            if self.will_page_break(10 + _ROW * rows):
                self.add_page()
            self.ln(4)
            self.start_section(self._plain(text), level=0)
        self._line(text, 19 if level == 1 else 12.5, INK, bold=True)
        self.ln(1)

    def says(self, text: str) -> None:
        """A paragraph in small, quiet letters."""
        self.set_font(_FONT, size=8.5)
        self.set_text_color(*QUIET)
        self.multi_cell(0, 4.2, self._plain(text), align=Align.L, new_x=XPos.LMARGIN)
        self.ln(1.5)

    def cards(self, cards: Sequence[tuple[str, str, bool]]) -> None:
        """Figures in a row: a number, what it counts, and whether it alarms. The first is wider."""
        gap, high = 3.0, 23.0
        unit = (self.epw - gap * (len(cards) - 1)) / (len(cards) + 0.8)
        x, y = self.l_margin, self.get_y() + 1
        for at, (figure, words, alarms) in enumerate(cards):
            width = unit * (1.8 if at == 0 else 1)
            color = RED if alarms else ACCENT
            self.set_draw_color(*LINE)
            self.rect(x, y, width, high)
            self.set_fill_color(*color)
            self.rect(x, y, width, 1.2, style="F")
            self.set_xy(x + 2, y + 3)
            self.set_text_color(*color)
            self.set_font(_FONT, "B", 22 if at == 0 else 15)
            self.cell(width - 4, 8, self._plain(figure))
            self.set_xy(x + 2, y + 12)
            self.set_text_color(*QUIET)
            self.set_font(_FONT, size=7.5)
            self.multi_cell(width - 4, 3.3, self._plain(words), align=Align.L)
            x += width + gap
        self.set_xy(self.l_margin, y + high + 3)

    def listing(
        self, headings: Sequence[str], widths: Sequence[float], rows: Iterable[Sequence[str]]
    ) -> None:
        """A table of columns so many mm wide; those whose heading begins with ">" stand to the
        right.
        """
        self.set_font(_FONT, size=8)
        self.set_text_color(*INK)
        self.set_draw_color(*LINE)
        self.set_fill_color(255)
        aligned = tuple(Align.R if one.startswith(">") else Align.L for one in headings)
        style = FontFace(emphasis="BOLD", color=QUIET, size_pt=8)
        with self.table(
            col_widths=tuple(widths), width=sum(widths), align=Align.L, text_align=aligned,
            headings_style=style, line_height=4.2, padding=(0.6, 1),
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        ) as table:  # fmt: skip
            table.row([one.removeprefix(">") for one in headings])
            for row in rows:
                table.row([self._plain(cell) for cell in row])
        self.ln(1)

    def strips(
        self, headings: Sequence[str], widths: Sequence[float], rows: Sequence[Strip]
    ) -> None:
        """A table of columns so many mm wide, the second of which draws each share with its
        interval between 0 and 100 %.
        """
        self._strip_line(headings, widths, None, QUIET, bold=True)
        for row in rows:
            if self.will_page_break(_ROW):
                self.add_page()
                self._strip_line(headings, widths, None, QUIET, bold=True)
            self._strip_line([row.name, "", *row.texts], widths, row, INK)
        self.ln(1)

    def _strip_line(
        self,
        texts: Sequence[str],
        widths: Sequence[float],
        drawn: Strip | None,
        color: tuple[int, int, int],
        *,
        bold: bool = False,
    ) -> None:
        x, y = self.l_margin, self.get_y()
        self.set_font(_FONT, "B" if bold else "", 8)
        self.set_text_color(*color)
        for at, (text, width) in enumerate(zip(texts, widths, strict=True)):
            self.set_xy(x, y)
            side = Align.L if at < 2 else Align.R
            self.cell(width, _ROW, self._fitting(text, width - 2), align=side)
            if at == 1 and drawn is not None:
                self._draw_interval(drawn, x + 1, y, width - 4)
            x += width
        self.set_draw_color(*LINE)
        self.line(self.l_margin, y + _ROW, x, y + _ROW)
        self.set_xy(self.l_margin, y + _ROW)

    def _draw_interval(self, row: Strip, x: float, y: float, width: float) -> None:
        self.set_draw_color(*LINE)
        self.line(x, y + _ROW / 2, x + width, y + _ROW / 2)
        if row.share is None or row.low is None or row.high is None:
            return
        self.set_fill_color(*BAND)
        span = max((row.high - row.low) * width, 0.4)
        self.rect(x + row.low * width, y + _ROW / 2 - 1.2, span, 2.4, style="F")
        self.set_fill_color(*ACCENT)
        self.circle(x + row.share * width, y + _ROW / 2, 1.1, style="F")

    def _line(
        self, text: str, size: float, color: tuple[int, int, int], *, bold: bool = False
    ) -> None:
        self.set_font(_FONT, "B" if bold else "", size)
        self.set_text_color(*color)
        self.cell(0, size * 0.5, self._plain(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def _fitting(self, text: str, width: float) -> str:
        """The text, cut with dots where it is wider than its column."""
        plain = self._plain(text)
        if self.get_string_width(plain) <= width:
            return plain
        while plain and self.get_string_width(plain + "...") > width:
            plain = plain[:-1]
        return plain + "..."

    def _plain(self, text: str) -> str:
        """In the fonts' letters."""
        dashed = text.translate(_NEAREST)
        try:
            dashed.encode("latin-1")
        except UnicodeEncodeError:
            self.replaced = True
        else:
            return dashed
        return "".join(_nearest(letter) for letter in unicodedata.normalize("NFC", dashed))


def _nearest(letter: str) -> str:
    """A letter that Latin-1 has: itself, without its marks, or "?"."""
    if ord(letter) < 256:
        return letter
    base = unicodedata.normalize("NFKD", letter).encode("latin-1", "ignore").decode("latin-1")
    return base or "?"
