"""The fleet's streets hang together, and vans stay on them."""

import math
import random
from itertools import pairwise

import pytest

from demo.driving import ACCELERATION, BRAKING, STEP, Drive
from demo.rounds import Rounds, Stop
from demo.streets import Point, Route, Street, Streets, bearing, distance, load_streets, moved
from demo.world import SCHEMAS, load_company

METRES_PER_DEGREE = 111_195


@pytest.fixture(params=SCHEMAS)
def schema(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def off_street(streets: Streets, point: Point, name: str | None = None) -> float:
    """Metres from a point to the nearest street (of this name)."""
    shrink = math.cos(math.radians(point[0]))

    def flat(other: Point) -> tuple[float, float]:
        north, east = other[0] - point[0], (other[1] - point[1]) * shrink
        return north * METRES_PER_DEGREE, east * METRES_PER_DEGREE

    best = math.inf
    for way in streets.ways:
        if name is not None and way.name != name:
            continue
        for start, end in pairwise(way.nodes):
            (ay, ax), (by, bx) = flat(streets.nodes[start]), flat(streets.nodes[end])
            squared = (bx - ax) ** 2 + (by - ay) ** 2
            share = 0 if squared == 0 else -(ax * (bx - ax) + ay * (by - ay)) / squared
            share = max(0.0, min(1.0, share))
            best = min(best, math.hypot(ax + share * (bx - ax), ay + share * (by - ay)))
    return best


def test_every_node_reaches_every_other_by_driving_only_forwards_in_oneways(schema: str) -> None:
    streets = load_streets(schema)
    forward: dict[int, set[int]] = {}
    backward: dict[int, set[int]] = {}
    for way in streets.ways:
        for start, end in pairwise(way.nodes):
            forward.setdefault(start, set()).add(end)
            backward.setdefault(end, set()).add(start)
            if not way.oneway:
                forward.setdefault(end, set()).add(start)
                backward.setdefault(start, set()).add(end)
    for edges in (forward, backward):
        reached, open_nodes = {0}, [0]
        while open_nodes:
            fresh = edges[open_nodes.pop()] - reached
            reached |= fresh
            open_nodes += fresh
        assert reached == set(range(len(streets.nodes)))


def test_helsinki_has_oneway_streets_and_a_route_never_goes_against_one() -> None:
    streets = load_streets("globex")
    oneway = {pair for way in streets.ways if way.oneway for pair in pairwise(way.nodes)}
    both = {
        pair
        for way in streets.ways
        if not way.oneway
        for start, end in pairwise(way.nodes)
        for pair in ((start, end), (end, start))
    }
    assert len(oneway) > 300
    index = {point: number for number, point in enumerate(streets.nodes)}
    rng = random.Random(3)
    for _ in range(20):
        start, goal = rng.randrange(len(streets.nodes)), rng.randrange(len(streets.nodes))
        nodes = [index[point] for point in streets.route(start, goal).points]
        assert (nodes[0], nodes[-1]) == (start, goal)
        assert set(pairwise(nodes)) <= oneway | both


def test_the_quickest_way_is_taken_and_not_the_shortest() -> None:
    # 0 -> 1 directly at 10 km/h, or by way of 2 at 50 km/h
    nodes = ((60.0, 25.0), (60.0, 25.02), (60.001, 25.01))
    streets = Streets(
        nodes, (Street("lane", 10, False, (0, 1)), Street("road", 50, False, (0, 2, 1)))
    )
    assert streets.route(0, 1).points == (nodes[0], nodes[2], nodes[1])
    assert streets.route(0, 0).points == (nodes[0],)


def test_customers_live_at_their_street(schema: str) -> None:
    streets = load_streets(schema)
    for customer in load_company(schema).customers:
        name = customer.street.rsplit(" ", 1)[0]
        assert off_street(streets, (customer.lat, customer.lon), name) < 60, customer


def test_distance_bearing_and_moved_agree() -> None:
    start = (60.17, 24.94)
    end = moved(start, 300, 400)
    assert distance(start, end) == pytest.approx(500, abs=0.02)
    assert bearing(start, end) == pytest.approx(math.degrees(math.atan2(400, 300)), abs=0.01)
    assert bearing(start, start) == 0


def test_a_drive_keeps_the_limits_and_ends_where_it_should(schema: str) -> None:
    streets = load_streets(schema)
    route = streets.route(0, len(streets.nodes) - 1)
    drive = Drive(route)
    seconds, before = 0.0, 0.0
    fastest = max(route.limits)
    while not drive.done:
        drive.advance(STEP)
        seconds += STEP
        speed = drive.motion.speed
        assert speed <= fastest
        assert speed - before <= ACCELERATION * STEP + 0.81  # it starts by crawling
        if seconds % 4 == 0:  # the check is slow
            assert off_street(streets, drive.motion.point) < 0.5
        before = speed
        assert seconds < 3600
    assert drive.motion.point == route.points[-1]
    assert drive.motion.speed == 0
    assert seconds > route.length / fastest


def test_a_drive_brakes_before_a_hairpin_and_to_the_end() -> None:
    route = Route(((60.0, 25.0), (60.005, 25.0), (60.0, 25.00001)), (14.0, 14.0))
    drive = Drive(route)
    speeds = []
    while not drive.done:
        drive.advance(STEP)
        speeds.append(drive.motion.speed)
    assert max(speeds) == pytest.approx(14.0)
    middle = speeds[len(speeds) // 2 - 4 : len(speeds) // 2 + 4]
    assert min(middle) < 4.5
    # never braking harder than comfortable, but for the step in which the corner is turned
    assert max(a - b for a, b in pairwise(speeds[:-1])) < 2 * BRAKING * STEP + 0.5


def day(seed: int) -> list[object]:
    """Ten minutes of a technician's readings and events."""
    streets = load_streets("acme")
    rounds = Rounds(streets=streets, start=5, rng=random.Random(seed))
    told: list[object] = []
    for customer in load_company("acme").customers[:2]:
        told.append(rounds.go_to(Stop(customer.key, customer.street, (customer.lat, customer.lon))))
        for _ in range(300):
            told += rounds.tick(1)
            told.append(rounds.read())
            if rounds.idle:
                break
    return told


def test_the_same_seed_lives_the_same_day() -> None:
    assert day(1) == day(1)
    assert day(1) != day(2)


def test_a_technician_drives_works_and_is_idle_again() -> None:
    streets = load_streets("globex")
    rounds = Rounds(streets=streets, start=0, rng=random.Random(4))
    customer = load_company("globex").customers[4]
    assert (rounds.idle, rounds.fix_interval) == (True, 30)
    told = rounds.go_to(Stop("x", customer.street, (customer.lat, customer.lon)))
    assert told == "on the way to Snellmaninkatu 15"
    assert rounds.fix_interval == 2
    events: list[str] = []
    farthest, seconds = 0.0, 0
    while not rounds.idle:
        events += rounds.tick(1)
        reading = rounds.read()
        seconds += 1
        if seconds % 4 == 0:  # the check is slow
            farthest = max(farthest, off_street(streets, (reading.lat, reading.lon)))
        assert seconds < 1800
    assert [event for event in events if "signal" not in event] == ["arrived at Snellmaninkatu 15"]
    assert farthest < 15  # the GPS error
    assert distance((reading.lat, reading.lon), (customer.lat, customer.lon)) < 60
    assert (reading.speed, reading.heading, reading.activity) == (0.0, None, "still")


def test_signal_comes_and_goes() -> None:
    rounds = Rounds(streets=load_streets("acme"), start=0, rng=random.Random(1))
    changes = [event for _ in range(3600) for event in rounds.tick(1)]
    assert changes[:4] == ["lost the signal", "has signal again"] * 2
