"""Composing: a request becomes a plan, the token loop carries it out, and a composition comes back."""
