"""Authentication and authorization: the authenticators and authorizers of the core, and the stack that applies them."""
