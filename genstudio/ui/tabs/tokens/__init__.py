"""The Tokens tab: pictures as grids of tokens, and written token by token."""
