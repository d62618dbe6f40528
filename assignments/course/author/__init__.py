"""The proof that an assignment grades what it says it grades."""
