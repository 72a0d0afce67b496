"""What Transfuse costs, measured. Run one by one: `python -m bench.update_cost`."""
