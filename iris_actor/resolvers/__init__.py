"""The first-party resolvers, each a plugin: `fixed` and `cluster`."""
