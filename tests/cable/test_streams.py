"""Names of streams and of the layer's groups."""

from __future__ import annotations

import pytest
from channels.layers import BaseChannelLayer
from hypothesis import given
from hypothesis import strategies as st

from cable.streams import CONTROL_GROUP, MAX_STREAM_NAME, check_stream, group_name

printable = st.text(
    st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=MAX_STREAM_NAME
).filter(str.isprintable)


@pytest.mark.parametrize(
    ("stream", "group"),
    [
        ("acme.map", "cable.acme.map"),
        ("A-b_c.9", "cable.A-b_c.9"),
        ("x" * 93, "cable." + "x" * 93),
        (
            "acme map",
            "cable-sha256.42325acb60a74a67990400a763d77e6af894b1250405216e969f0d063d06d038",
        ),
    ],
)
def test_group_name(stream: str, group: str) -> None:
    assert group_name(stream) == group


@given(printable)
def test_every_stream_has_a_group_that_channels_takes(stream: str) -> None:
    assert BaseChannelLayer().require_valid_group_name(group_name(check_stream(stream)))


@given(printable, printable)
def test_no_two_streams_share_a_group(one: str, other: str) -> None:
    assert (group_name(one) == group_name(other)) == (one == other)


@given(printable)
def test_no_stream_is_the_control_group(stream: str) -> None:
    assert group_name(stream) != CONTROL_GROUP


@pytest.mark.parametrize(
    ("stream", "complaint"),
    [
        ("", "must be a string that is not empty"),
        (None, "must be a string that is not empty"),
        (b"acme", "must be a string that is not empty"),
        ("a\nb", r"'a\\nb' has unprintable characters"),
        ("a\0", "has unprintable characters"),
        ("x" * 256, "has 256 characters; at most 255"),
    ],
)
def test_bad_stream_is_named(stream: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        check_stream(stream)
