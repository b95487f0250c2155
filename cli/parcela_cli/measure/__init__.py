"""A label map and a second image of the same head: the image's values in each region, the map on the image's grid."""
