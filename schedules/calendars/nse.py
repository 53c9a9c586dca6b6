"""The National Stock Exchange of India.

exchange_calendars has the Bombay exchange, which keeps the same holidays, but no Muhurat trading and only two of the
other special sessions. The times are those of the exchange's circulars, as the press gave them.
"""

from __future__ import annotations

from datetime import date, time

from .definition import Market, Override


def _muhurat(day: str, opens: str, closes: str) -> Override:
    return Override(
        day=date.fromisoformat(day),
        opens=time.fromisoformat(opens),
        closes=time.fromisoformat(closes),
        note="Muhurat trading on Diwali",
    )


def _whole(day: str, note: str) -> Override:
    return Override(day=date.fromisoformat(day), note=note)


def _recovery(day: str, second: str) -> Override:
    return Override(
        day=date.fromisoformat(day),
        closes=time.fromisoformat(second[-5:]),
        note=f"Saturday session in two parts, 09:15–10:00 and {second}, from the disaster recovery site",
    )


NSE = Market(
    name="XNSE",
    exchange="XBOM",
    overrides=(
        _whole("2015-02-28", "Union Budget on a Saturday"),
        _muhurat("2015-11-11", "17:45", "18:45"),
        _muhurat("2016-10-30", "18:30", "19:30"),
        _muhurat("2017-10-19", "18:30", "19:30"),
        _muhurat("2018-11-07", "17:30", "18:30"),
        _muhurat("2019-10-27", "18:15", "19:15"),
        _whole("2020-02-01", "Union Budget on a Saturday"),
        _muhurat("2020-11-14", "18:15", "19:15"),
        _muhurat("2021-11-04", "18:15", "19:15"),
        _muhurat("2022-10-24", "18:15", "19:15"),
        _muhurat("2023-11-12", "18:15", "19:15"),
        _recovery("2024-03-02", "11:30–12:30"),
        _recovery("2024-05-18", "11:45–12:40"),
        _muhurat("2024-11-01", "18:00", "19:00"),
        _muhurat("2025-10-21", "13:45", "14:45"),
        _whole("2026-02-01", "Union Budget on a Sunday"),
    ),
)
