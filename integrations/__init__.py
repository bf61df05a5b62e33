"""The outside world behind small protocols. Each has a real adapter and, where a demo needs it, a built-in one."""
