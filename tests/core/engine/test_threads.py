"""How many threads training takes is a matter of the spec, never of how busy a machine is."""

from __future__ import annotations

from unittest import mock

import pytest
import torch

from e1bind.engine.threads import set_threads


@pytest.mark.parametrize(
    ("wanted", "width", "taken"), [(None, 64, 1), (None, 320, None), (3, 64, 3), (3, 320, 3), (1, 1280, 1)]
)
def test_a_narrow_backbone_has_one_thread_unless_more_are_wanted(wanted, width, taken):
    with mock.patch.object(torch, "set_num_threads") as called:
        set_threads(wanted, width)
    assert called.mock_calls == ([] if taken is None else [mock.call(taken)])
