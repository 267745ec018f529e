"""The demo's data is complete, consistent and readable on a light and on a dark map."""

import re
from datetime import UTC, date, datetime
from itertools import pairwise

import phonenumbers
import pytest

from demo.world import Company, Customer, Technician, load_company, load_world

LIGHT_LAND, DARK_LAND, WHITE = "#f3f1ec", "#1b2026", "#ffffff"


def luminance(color: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.1)."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (
        c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.fixture(params=["acme", "globex"])
def company(request: pytest.FixtureRequest) -> Company:
    return load_company(request.param)


def test_the_two_companies_have_their_people_and_work() -> None:
    counted = {c.schema: (len(c.technicians), len(c.customers), len(c.jobs)) for c in load_world()}
    assert counted == {"acme": (7, 12, 14), "globex": (6, 12, 12)}


def test_one_technician_is_left_to_people_and_has_no_job(company: Company) -> None:
    (spare,) = [technician for technician in company.technicians if not technician.drives]
    assert spare.name == "Spare Phone"
    assert spare.email not in {job.technician for job in company.jobs}


def test_emails_follow_the_name_and_company(company: Company) -> None:
    for technician in company.technicians:
        first, last = technician.name.lower().split()
        assert technician.email == f"{first}.{last}@{company.schema}.test"
        assert technician.initials == (first[0] + last[0]).upper()


def test_colors_are_distinct_and_readable_on_both_maps(company: Company) -> None:
    colors = [technician.color for technician in company.technicians]
    assert len(set(colors)) == len(colors)
    for color in colors:
        assert contrast(color, LIGHT_LAND) >= 3
        assert contrast(color, DARK_LAND) >= 3
        assert contrast(color, WHITE) >= 4.5  # the initials on the marker


def test_phone_numbers_are_unique_and_from_the_fictional_range() -> None:
    people: list[Technician | Customer] = []
    for company in load_world():
        people += [*company.technicians, *company.customers]
    numbers = [person.phone for person in people]
    assert len(set(numbers)) == len(numbers)
    for number in numbers:
        assert re.fullmatch(r"\+1\d{3}55501\d\d", number)
        assert phonenumbers.is_valid_number(phonenumbers.parse(number))


def test_customers_are_inside_the_base_map(company: Company) -> None:
    west, south, east, north = company.bbox
    for customer in company.customers:
        assert west < customer.lon < east
        assert south < customer.lat < north
    assert west < company.center[1] < east
    assert south < company.center[0] < north


def test_some_jobs_wait_for_a_technician_and_nobody_has_two_at_once(company: Company) -> None:
    assert [job.technician for job in company.jobs].count(None) == 2
    for technician in company.technicians:
        windows = sorted(
            job.window(date(2026, 11, 23), company.time_zone)
            for job in company.jobs
            if job.technician == technician.email
        )
        assert bool(windows) == technician.drives
        for (_, end), (start, _) in pairwise(windows):
            assert end < start


def test_a_window_is_on_the_companys_clock() -> None:
    acme = load_company("acme")
    start, end = acme.jobs[0].window(date(2026, 11, 23), acme.time_zone)
    assert start.astimezone(UTC) == datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
    assert end.astimezone(UTC) == datetime(2026, 11, 23, 7, 0, tzinfo=UTC)


def test_an_unknown_company_is_named() -> None:
    with pytest.raises(ValueError, match="'initech' is not in the demo; it has acme, globex"):
        load_company("initech")
