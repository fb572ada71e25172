"""What every plugin is tested for without writing a test: ``server_plugin`` makes a target of it."""
