"""The network as a picture: modules as boxes in the order of data, delay and ratio on the lines between them."""
