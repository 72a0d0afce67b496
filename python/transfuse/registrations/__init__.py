"""Registrations of live code in foreign containers end with the code that made them.

The core calls `held` before the swap, `published` after it and `abandoned` after a refusal. A
count of the references to what new code made tells whether it may have registered anything. Only
then one search of the heap finds the foreign containers that hold the objects of former executions.

- `made`: the objects of executions, and their names
- `caches`: caches of the standard library, whose references are no registrations
- `search`: the foreign containers that hold them
- `entries`: the entries of a container
- `hidden_handlers`: handlers of `logging` that a module does not see while it runs again
- `in_force`: signal handlers and handlers of `logging` that former code leaves
- `log_handlers`: the handlers that modules give to loggers
- `log_levels`: the levels that modules give to loggers
- `wrapped`: wrappers in attributes of foreign modules, which wrap no former ones
- `exchange`: the entries that are taken out and put back
"""
