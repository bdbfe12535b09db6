"""The conformance kit: a pytest class for each contract, to be subclassed by a plugin's own tests."""

from iris_api.testing.conformance.base import Conformance, Given, Rule, given_by, needs, override, rules_of

__all__ = ["Conformance", "Given", "Rule", "given_by", "needs", "override", "rules_of"]
