"""The tests that every plugin gets without writing one: ``server_plugin`` makes a target of them."""
