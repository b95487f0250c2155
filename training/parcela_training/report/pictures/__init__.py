"""The figures of the report that show scans."""
