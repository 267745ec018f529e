"""Joining, leaving, and noticing that the layer lost messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cable.conf import CableSettings
from cable.errors import StreamUnavailable
from cable.membership import Memberships
from tests.cable.layers import ScriptedLayer
from tests.cable.polling import until

SETTINGS = CableSettings(layer_timeout=0.3, probe_interval=0.05)


class Member:
    """Memberships in a scripted layer, with what they reported."""

    def __init__(self, layer: ScriptedLayer) -> None:
        self.layer = layer
        self.messages: list[dict[str, Any]] = []
        self.interruptions = 0
        self.memberships = Memberships(
            layer, SETTINGS, on_message=self.messages.append, on_interrupted=self._interrupted
        )

    def _interrupted(self) -> None:
        self.interruptions += 1


@pytest.fixture
async def member() -> AsyncIterator[Member]:
    member = Member(ScriptedLayer())
    member.memberships.start()
    yield member
    await member.memberships.close()


async def test_join_returns_when_the_group_delivers_not_when_the_layer_says_so(
    member: Member,
) -> None:
    await member.memberships.join("other")  # so that nothing else is being sent
    member.layer.lose = 2
    await member.memberships.join("group")
    assert member.layer.lose == 0
    await member.layer.group_send("group", {"type": "n"})
    await until(lambda: member.messages == [{"type": "n"}])


async def test_many_joins_at_once_ask_the_layer_once(member: Member) -> None:
    await asyncio.gather(*(member.memberships.join("group") for _ in range(50)))
    await member.memberships.join("group")
    assert member.layer.joins("group") == ["add"]


async def test_leave_is_soon_and_join_after_it_is_effective(member: Member) -> None:
    await member.memberships.join("group")
    member.memberships.leave("group")
    await until(lambda: member.layer.joins("group") == ["add", "discard"])
    await member.memberships.join("group")
    assert member.layer.joins("group") == ["add", "discard", "add"]


async def test_join_right_after_leave_keeps_the_membership(member: Member) -> None:
    await member.memberships.join("group")
    member.memberships.leave("group")
    await member.memberships.join("group")
    await member.memberships.join("other")
    assert member.layer.joins("group") == ["add"]


@pytest.mark.parametrize("fault", ["down", "hanging"])
async def test_layer_that_fails_is_said_in_time_also_to_those_who_wait_behind(
    member: Member, fault: str
) -> None:
    await member.memberships.join("other")
    setattr(member.layer, fault, True)
    loop = asyncio.get_running_loop()
    started = loop.time()
    results = await asyncio.gather(
        *(member.memberships.join("group") for _ in range(20)), return_exceptions=True
    )
    assert {type(result) for result in results} == {StreamUnavailable}
    assert loop.time() - started < 0.6  # the timeout once, not once for each
    setattr(member.layer, fault, False)
    await member.memberships.join("group")


async def test_group_that_did_not_deliver_is_left_before_it_is_joined_again(
    member: Member,
) -> None:
    """The pub/sub layer would else believe in its subscription and not subscribe anew."""
    await member.memberships.join("other")
    member.layer.lose = 1_000_000
    with pytest.raises(StreamUnavailable, match="did not join group group"):
        await member.memberships.join("group")
    member.layer.lose = 0
    await member.memberships.join("group")
    assert member.layer.joins("group")[:3] == ["add", "discard", "add"]


async def test_outage_is_noticed_repaired_and_told_once(member: Member) -> None:
    await member.memberships.join("group")
    member.layer.down = True
    await asyncio.sleep(3 * SETTINGS.probe_interval)
    assert member.interruptions == 0
    member.layer.groups.clear()  # a broker that forgot everything
    member.layer.down = False
    await until(lambda: member.interruptions == 1)
    await member.layer.group_send("group", {"type": "n"})
    await until(lambda: member.messages == [{"type": "n"}])
    await asyncio.sleep(3 * SETTINGS.probe_interval)
    assert member.interruptions == 1


async def test_lost_group_is_noticed_though_the_layer_answers(member: Member) -> None:
    await member.memberships.join("group")
    member.layer.groups.clear()
    await until(lambda: member.interruptions == 1)
    await member.layer.group_send("group", {"type": "n"})
    await until(lambda: member.messages == [{"type": "n"}])


async def test_layer_that_is_down_at_the_start() -> None:
    layer = ScriptedLayer()
    layer.down = True
    member = Member(layer)
    member.memberships.start()
    with pytest.raises(StreamUnavailable):
        await member.memberships.join("group")
    layer.down = False
    await until(lambda: member.interruptions == 1)
    await member.memberships.join("group")
    await member.memberships.close()


async def test_probe_measures_the_round_trip(member: Member) -> None:
    assert member.memberships.round_trip is None
    await until(lambda: member.memberships.round_trip is not None)
    assert 0 < (member.memberships.round_trip or 0) < 0.3


async def test_groups_that_expire_are_joined_anew_before() -> None:
    member = Member(ScriptedLayer(group_expiry=0.4))
    member.memberships.start()
    await member.memberships.join("group")
    await until(lambda: member.layer.joins("group") == ["add"] * 3)
    assert member.interruptions == 0
    await member.memberships.close()


async def test_message_that_fails_does_not_end_the_receiver(member: Member) -> None:
    await member.memberships.join("group")
    await member.layer.group_send("group", {"no": "type"})
    await member.layer.group_send("group", {"type": "n"})
    await until(lambda: member.messages == [{"type": "n"}])
