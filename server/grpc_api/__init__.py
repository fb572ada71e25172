"""The gRPC API: ``flovyn.v1`` and the services of plugins on one ``grpc.aio`` server."""
