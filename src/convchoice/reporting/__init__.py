"""From comparisons to a page: figures and the text around them."""
