"""Stands in for the build backend that humanize names, while pip downloads its source distribution."""
