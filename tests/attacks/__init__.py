"""Submissions that mean harm, and honest ones that only look odd; see SECURITY.md."""
