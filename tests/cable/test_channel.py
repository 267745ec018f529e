"""What clients may call."""

from __future__ import annotations

from typing import Any

import pytest

from cable import Channel, action


class Base(Channel):
    @action
    async def without(self) -> None: ...

    @action
    async def with_data(self, data: dict[str, Any]) -> None: ...

    async def hidden(self, data: dict[str, Any]) -> None: ...


class Derived(Base):
    @action
    async def more(self, data: dict[str, Any]) -> None: ...

    async def with_data(self, data: dict[str, Any]) -> None: ...


def test_only_marked_methods_are_actions_and_subclasses_inherit_them() -> None:
    assert Channel.cable_actions == {}
    assert Base.cable_actions == {"without": False, "with_data": True}
    assert Derived.cable_actions == {"without": False, "with_data": True, "more": True}


def test_action_must_be_a_coroutine() -> None:
    with pytest.raises(TypeError, match=r"Broken.plain must be `async def` to be an action"):

        class Broken(Channel):
            @action  # type: ignore[type-var]
            def plain(self) -> None: ...
