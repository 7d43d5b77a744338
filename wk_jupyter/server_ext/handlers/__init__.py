"""Handlers, one module a noun: they turn a request into calls of the store and the result into bytes."""
