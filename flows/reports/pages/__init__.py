"""One module a page, or kind of page: what it asks of the published tables, and its template."""
