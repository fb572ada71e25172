"""The Plugin API: everything that a plugin may import from this repository.

Start with ``core.plugin`` (the class to derive from) and ``core.plugin_services`` (the server's
services for a plugin). The rest by need:

- ``core.endpoints``: REST routes and gRPC services as plain values; ``core.openapi``: additions to the OpenAPI document
- ``core.rest_model``: base models of bodies and query strings
- ``core.calls``: observers of every call
- ``core.settings``: a typed section of the configuration file
- ``core.migration``: migrations, plugin names and the table prefix
- ``core.named_queries``: SQL in ``.sql`` files
- ``core.auth``: the caller (``Identity``), its authentication (``Authenticator``) and its permissions (``Authorizer``)
- ``core.errors``: the error tree, mapped to HTTP and gRPC once
- ``core.metrics``: counters, gauges and histograms
- ``core.launchers``: start workflows and tasks, settle promises
- ``core.batching``: group commit of concurrent calls
- ``core.clock``, ``core.service``, ``core.build_info``, ``core.tenant``, ``core.payload``

This package uses the standard library and pydantic alone.
"""
