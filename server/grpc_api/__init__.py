"""The gRPC side: ``flovyn.v1`` and the plugins' services on one ``grpc.aio`` server."""
