"""What is shown, one module for each part of the shop."""
