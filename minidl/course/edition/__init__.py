"""The student's edition: what is handed out, and what comes back."""
