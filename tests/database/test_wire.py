from sqlft.database.wire import read_result

TOTALS_FIRST = (
    b'\n\t],\n\n\t"totals": ["", 0]{\n\t"meta":\n\t[\n\t\t{\n\t\t\t"name": "country",\n\t\t\t"type": "String"\n\t\t},\n'
    b'\t\t{\n\t\t\t"name": "count()",\n\t\t\t"type": "UInt64"\n\t\t}\n\t],\n\n\t"data":\n\t[\n,\n\n\t"rows": 0\n}\n'
)
"""What 26.9 sends for WITH TOTALS over no rows."""


def test_totals_over_no_rows_are_read_although_they_come_first():
    result = read_result(TOTALS_FIRST)
    assert (result.columns, result.rows, result.totals) == (["country", "count()"], [], ("", 0))
