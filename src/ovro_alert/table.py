"""Tables of plain text, which need no more than a terminal of fixed width."""

from collections.abc import Iterator, Sequence


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[list[str]]:
    """The cells of each row, as wide as their columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]


def as_line(cells: Sequence[str]) -> str:
    """One row of a table."""
    return "  ".join(cells).rstrip()


def table(rows: Sequence[Sequence[str]], indent: str = "") -> Iterator[str]:
    """The lines of a table."""
    return (indent + as_line(cells) for cells in aligned(rows))
