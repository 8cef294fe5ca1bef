"""Records of delimited text are counted without Spark, and a quote that nobody closes is refused with its line."""

import io

import pytest

from ltv_features.csv_records import header_and_rows


def counted(text: str, *, multiline: bool = True) -> int:
    header, rows = header_and_rows(io.StringIO(text, newline="\n"), delimiter=",", quote='"', multiline=multiline)
    assert header == ["a", "b", "c"]
    return rows


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b,c", 0),
        ("a,b,c\n", 0),
        ("a,b,c\n1,2,3", 1),
        ("a,b,c\r\n1,2,3\r\n4,5,6\r\n", 2),
        ("a,b,c\n1,2,3\n\n\n4,5,6\n\n", 2),
        ('a,b,c\n1,"two\nlines ""and quotes""\n\n",3\n4,5,6\n', 2),
        ('a,b,c\n1,19" screen,3\n4,5,6\n', 2),
        ('a,b,c\n1,"x"y,3\n4,5\n6,7,8,9\n', 3),
    ],
)
def test_records_are_counted(text: str, rows: int) -> None:
    assert counted(text) == rows


@pytest.mark.parametrize(
    "text",
    [
        'a,b,c\n1,2,3\n1,"19 inch,3\n4,5,6\n',
        'a,b,c\n1,2,3\n1,2,"3\n4,5,6\n7,8,9\n',
        'a,b,c\n1,2,3\n1,"19 inch,3\n4,5,6\n7,"20 inch,9\n',
        'a,b,c\n1,2,3\n1,"19 inch,3\n4,5,6",7,8\n8,9,9\n8,9\n',
    ],
)
def test_a_quote_that_is_not_closed_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"line 3: a quote is not closed, [2-4] lines would become one record"):
        counted(text)
    assert counted(text, multiline=False) == text.count("\n") - 1
