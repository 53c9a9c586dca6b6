"""The gateway under thousands of waiting clients."""
