"""Contracts to inherit: a class with the name of a component is a whole conformance test for pytest.

    from e1bind.testing import LossContract

    class TestPrototypeHinge(LossContract):
        plugin, options = "acme-losses/prototype-hinge", {"margin": 0.3}

Every check is a method `test_...` of such a class. pytest collects them; it is no dependency of e1bind.
"""

from __future__ import annotations

import unittest
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from e1bind.testing.check import with_expectation
from e1bind.testing.kinds import checks_of

if TYPE_CHECKING:
    from e1bind.testing.check import Check
    from e1bind.testing.subject import Subject


class Contract:
    """What all contracts share.

    plugin             name of the component: "distribution/name", or the bare name
    options            options to build it with; None: what its options model gives as an example
    expected_failures  check -> why the component is right to fail it; one that holds nevertheless is a failure
    local              single-file plugins, where `plugin` is one ("local/name")
    """

    kind: ClassVar[str]
    plugin: ClassVar[str]
    options: ClassVar[Mapping[str, Any] | None] = None
    expected_failures: ClassVar[Mapping[str, str]] = {}
    local: ClassVar[Sequence[str | Path]] = ()
    _subject: ClassVar[Subject | None] = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if not hasattr(cls, "plugin"):
            return  # a contract, not yet a test of a component
        checks = {check.name: check for check in checks_of(cls.kind)}
        if unknown := sorted(set(cls.expected_failures) - set(checks)):
            raise ValueError(f"{cls.__name__}.expected_failures names no check: {', '.join(unknown)}")
        for check in checks.values():
            name = f"test_{check.name.replace('-', '_')}"
            if not hasattr(cls, name):
                setattr(cls, name, _method(name, check))

    @classmethod
    def subject(cls) -> Subject:
        """The component on trial; one for all checks of the class."""
        from e1bind.testing.subject import Subject, find_component

        if "_subject" not in vars(cls) or cls._subject is None:
            component = find_component(cls.kind, cls.plugin, [Path(path) for path in cls.local])
            cls._subject = Subject(component, cls.options)
        return cls._subject


def _method(name: str, check: Check) -> Callable[[Contract], None]:
    def test(self: Contract) -> None:
        outcome = with_expectation(self.subject().outcome(check.name), self.expected_failures.get(check.name))
        if outcome.status in ("skip", "expected"):
            raise unittest.SkipTest(f"{outcome.status}: {outcome.why}")
        if outcome.status == "fail":
            raise AssertionError(f"{self.plugin} {outcome.why}\n{check.promise}\n{check.advice}")

    test.__name__, test.__doc__ = name, check.promise
    test.__qualname__ = f"Contract.{name}"
    return test


class LossContract(Contract):
    """`e1bind.contracts.Loss`: a module from `LossInputs` to `LossOutput`."""

    kind = "loss"


class ViewGeneratorContract(Contract):
    """`e1bind.contracts.ViewGenerator`: V views of a chain, a function of the draw key alone."""

    kind = "view_generator"


class BackboneContract(Contract):
    """`e1bind.contracts.Backbone`: encoder, model, hidden states, masked-LM scores."""

    kind = "backbone"


class MetricContract(Contract):
    """`e1bind.contracts.Metric`: a number, or NaN with the reason."""

    kind = "metric"


class ReaderContract(Contract):
    """`e1bind.contracts.Reader`: records of one ion. The options' example holds chains of the ion ZN."""

    kind = "reader"


class HeadContract(Contract):
    """`e1bind.contracts.Head`: a module that gives every residue a score."""

    kind = "head"


class BaselineContract(Contract):
    """`e1bind.contracts.Baseline`: plain values from training chains, probabilities by them."""

    kind = "baseline"


class TrackerContract(Contract):
    """`e1bind.contracts.Tracker`: told of a run, and never in its way."""

    kind = "tracker"


class CalibrationContract(Contract):
    """`e1bind.contracts.Calibration`: numbers fitted to predictions, and a map by them that never falls."""

    kind = "calibration"
