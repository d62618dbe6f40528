"""minidl in a browser: under node, and on pages in Chromium. For tests only."""
