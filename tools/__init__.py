"""Tools for making and checking the book; nothing here is installed with cnnlab."""
