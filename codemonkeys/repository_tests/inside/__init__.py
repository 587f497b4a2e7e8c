"""Parts of the programs that run Python tests inside a sandbox. Their text is put together; see `python_program`.

The environment's Python runs them and may be as old as 3.6: hence quoted types, no newer syntax and nothing of ours.
"""
