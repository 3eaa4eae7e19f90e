"""The use cases, one function each. The command line and the browser page call these and nothing lower."""
