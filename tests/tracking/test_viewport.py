"""Which positions a viewport shows, and which viewports are refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dispatch.errors import BadInputError, FieldError
from tracking.viewport import Viewport, read_viewport

WHAT = "[west, south, east, north] in degrees, or null for the whole map"
LONGITUDE = "must be the {} longitude, a number of degrees from -180 to 180"
LATITUDE = "must be the {} latitude, a number of degrees from -90 to 90"
TWO_WRONG = [
    FieldError("viewport[0]", 180.5, LONGITUDE.format("western")),
    FieldError("viewport[3]", "61", LATITUDE.format("northern")),
]


def shown(viewport: list[float], lon: float, lat: float) -> bool:
    read = read_viewport({"viewport": viewport})
    assert read is not None
    return read({"lat": lat, "lon": lon, "accuracy": None})


@pytest.mark.parametrize(
    ("lon", "lat", "inside"),
    [
        (25.0, 60.5, True),
        (24.0, 60.0, True),
        (26.0, 61.0, True),
        (23.999999, 60.5, False),
        (26.000001, 60.5, False),
        (25.0, 59.999999, False),
        (25.0, 61.000001, False),
        (-25.0, 60.5, False),
        (25.0, -60.5, False),
    ],
)
def test_a_viewport_shows_what_lies_in_it_with_its_edges(
    lon: float, lat: float, inside: bool
) -> None:
    assert shown([24, 60, 26, 61], lon, lat) is inside


@pytest.mark.parametrize(
    ("lon", "inside"),
    [
        (178.0, True),
        (180.0, True),
        (-180.0, True),
        (-178.0, True),
        (177.9, False),
        (-177.9, False),
        (0.0, False),
    ],
)
def test_one_whose_west_is_east_of_its_east_crosses_the_180_degree_meridian(
    lon: float, inside: bool
) -> None:
    assert shown([178, -20, -178, -10], lon, -15.0) is inside
    assert not shown([178, -20, -178, -10], lon, -25.0)


@pytest.mark.parametrize("viewport", [[170, 0, 180, 10], [-180, 0, -170, 10]])
def test_both_names_of_the_180_degree_meridian_are_one(viewport: list[float]) -> None:
    assert shown(viewport, 180.0, 5.0)
    assert shown(viewport, -180.0, 5.0)
    assert not shown(viewport, 0.0, 5.0)


def test_a_point_and_the_whole_earth_are_viewports() -> None:
    assert shown([24.5, 60.5, 24.5, 60.5], 24.5, 60.5)
    assert not shown([24.5, 60.5, 24.5, 60.5], 24.500001, 60.5)
    for lon, lat in ((-180.0, -90.0), (180.0, 90.0), (0.0, 0.0)):
        assert shown([-180, -90, 180, 90], lon, lat)


def test_equal_viewports_are_one_filter_and_others_are_not() -> None:
    first = read_viewport({"viewport": [24, 60, 26, 61]})
    again = read_viewport({"viewport": [24.0, 60.0, 26.0, 61.0], "other": 1})
    beside = read_viewport({"viewport": [24.0, 60.0, 26.0, 61.000001]})
    assert len({first, again}) == 1
    assert len({first, beside}) == 2


@pytest.mark.parametrize("sent", [{}, {"viewport": None}])
def test_no_viewport_is_the_whole_map(sent: dict[str, Any]) -> None:
    assert read_viewport(sent) is None


def test_where_it_is_required_only_null_is_the_whole_map() -> None:
    assert read_viewport({"viewport": None}, required=True) is None
    assert read_viewport({"viewport": [1, 2, 3, 4]}, required=True) == Viewport(1, 2, 3, 4)
    with pytest.raises(BadInputError) as caught:
        read_viewport({"bounds": [1, 2, 3, 4]}, required=True)
    assert caught.value.errors == (FieldError("viewport", None, f"is required: {WHAT}"),)


@pytest.mark.parametrize(
    ("viewport", "errors"),
    [
        ("Kotka", [FieldError("viewport", "Kotka", f"must be {WHAT}")]),
        (7, [FieldError("viewport", 7, f"must be {WHAT}")]),
        ([], [FieldError("viewport", "[]", f"must be {WHAT}")]),
        ([1, 2, 3], [FieldError("viewport", "[1, 2, 3]", f"must be {WHAT}")]),
        ([1, 2, 3, 4, 5], [FieldError("viewport", "[1, 2, 3, 4, 5]", f"must be {WHAT}")]),
        ({"west": 1}, [FieldError("viewport", "{'west': 1}", f"must be {WHAT}")]),
        ([-180.5, 0, 0, 0], [FieldError("viewport[0]", -180.5, LONGITUDE.format("western"))]),
        ([0, -91, 0, 0], [FieldError("viewport[1]", -91, LATITUDE.format("southern"))]),
        ([0, 0, 181, 0], [FieldError("viewport[2]", 181, LONGITUDE.format("eastern"))]),
        ([0, 0, 0, 90.1], [FieldError("viewport[3]", 90.1, LATITUDE.format("northern"))]),
        ([0, 0, 0, None], [FieldError("viewport[3]", None, LATITUDE.format("northern"))]),
        ([True, 0, 0, 0], [FieldError("viewport[0]", True, LONGITUDE.format("western"))]),
        ([float("nan"), 0, 0, 0], [FieldError("viewport[0]", "nan", LONGITUDE.format("western"))]),
        (
            [10**30, 0, 0, 0],
            [FieldError("viewport[0]", "1" + "0" * 30, LONGITUDE.format("western"))],
        ),
        ([180.5, 0, 0, "61"], TWO_WRONG),
        (
            [0, 61, 1, 60],
            [
                FieldError(
                    "viewport[1]",
                    61.0,
                    "must be south of viewport[3], which is 60.0, or equal to it",
                )
            ],
        ),
    ],
)
def test_a_wrong_viewport_is_refused_by_name(viewport: Any, errors: list[FieldError]) -> None:
    with pytest.raises(BadInputError) as caught:
        read_viewport({"viewport": viewport})
    assert list(caught.value.errors) == errors
    msgspec.json.encode(caught.value.errors)
