"""What runs inside a host: one gRPC process per satellite and gateway, and what it measures."""
