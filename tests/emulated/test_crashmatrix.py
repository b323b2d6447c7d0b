"""The crash matrix keeps the lines of its page that are not played again."""

from __future__ import annotations

from tests.emulated.crashmatrix import Line, document, known_lines


def test_the_lines_of_a_page_are_read_back_as_they_were_written() -> None:
    wrong = Line("linux-web", "backup", 29, 435, 430, 420, 9, 5, 1, 2.4, "2026-11-26")
    wrong.told.append("linux-web backup verify during drop: ended with 6: gone")
    lines = [wrong, Line("aix-ledger", "split", 11, 165, 165, 165, 0, 0, 0, 0.0, "2026-11-27")]
    page = document(lines)
    assert list(known_lines(page).values()) == lines
    assert "Played: 595 of the 595 cells that there are in these lines; 1 wrong." in page
    assert document(list(known_lines(page).values())) == page
