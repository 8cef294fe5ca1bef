"""Records of delimited text are counted without Spark; open quotes and mixed line ends are refused by line."""

import io

import pytest

from ltv_features.csv_records import Records, records_in


def read(text: str, *, multiline: bool = True) -> Records:
    return records_in(io.StringIO(text, newline="\n"), delimiter=",", quote='"', multiline=multiline)


def counted(text: str, *, multiline: bool = True) -> int:
    records = read(text, multiline=multiline)
    assert records.header == ("a", "b", "c")
    return records.rows


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


@pytest.mark.parametrize("multiline", [True, False])
def test_how_lines_end_is_told(multiline: bool) -> None:
    assert read("a,b,c", multiline=multiline).line_end == "\n"
    assert read("a,b,c\n1,2,3\n4,5,6", multiline=multiline).line_end == "\n"
    assert read("a,b,c\r\n1,2,3\r\n4,5,6", multiline=multiline).line_end == "\r\n"


@pytest.mark.parametrize("multiline", [True, False])
@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a,b,c\r\n1,2,3\n4,5,6\n", "line 2 ends in LF, the lines before it in CRLF"),
        ("a,b,c\n1,2,3\n4,5,6\r\n", "line 3 ends in CRLF, the lines before it in LF"),
        ("a,b,c\n1,2,3\n\r\n4,5,6\n", "line 3 ends in CRLF"),
        ("a,b,c\n1,2,3\r4,5,6\n", "line 2 holds a carriage return"),
        ("a,b,c\r1,2,3\r4,5,6\r", "line 1 holds a carriage return"),
        ("a,b,c\r\n1,2,3\r\r\n4,5,6\r\n", "line 2 holds a carriage return"),
    ],
)
def test_lines_that_end_in_different_ways_are_refused_with_the_first_that_differs(
    text: str, complaint: str, multiline: bool
) -> None:
    with pytest.raises(ValueError, match=complaint):
        read(text, multiline=multiline)


def test_line_breaks_of_any_kind_may_stand_in_quotes() -> None:
    assert counted('a,b,c\r\n1,"two\nlines",3\r\n4,"a\rb",6\r\n') == 2
    assert counted('a,b,c\n1,"two\r\nlines",3\n4,"a\rb",6\n') == 2
