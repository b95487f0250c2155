"""The fault harness: real workers, Redis and store, disturbed at random; then a checker reads what happened.

``make chaos`` runs it; ``python -m chaos run --help`` says how to make it harsher.
"""
