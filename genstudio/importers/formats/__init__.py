"""A file for each weight format found in the wild, each with one `recognise`."""
