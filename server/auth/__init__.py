"""Who calls and what they may do: the core's authenticators and authorizers, and the stack that applies them."""
