"""The conformance kit: a pytest class for each contract, to be subclassed by a plugin's own tests."""

from iris_api.testing.conformance.base import Conformance, Rule, needs, override, rules_of

__all__ = ["Conformance", "Rule", "needs", "override", "rules_of"]
