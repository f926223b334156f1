"""Parts of the decoding of pictures that PIL leaves to its callers: colour profiles, levels, pages, repair.

`images.open_picture` puts them together.
"""
