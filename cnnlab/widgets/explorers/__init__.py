"""The explorers of the book, one file each: a function that returns an :class:`~cnnlab.widgets.explorer.Explorer`."""
