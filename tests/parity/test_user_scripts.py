"""Scripts as users write them: PyTorch and `python -m rustnn` print the same numbers."""

from __future__ import annotations

import pytest

from parity.user_scripts import NUMBER, SCRIPTS, by_pytorch, by_rustnn, difference, numbers


@pytest.mark.parametrize("script", SCRIPTS)
def test_script(script: str) -> None:
    theirs, ours = by_pytorch(script), by_rustnn(script)
    assert numbers(theirs)
    assert NUMBER.sub("#", ours) == NUMBER.sub("#", theirs)
    assert difference(numbers(ours), numbers(theirs)) < 2e-3
